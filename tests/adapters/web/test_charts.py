"""Charts: where ticks, lines and marks come to stand."""

import re
from typing import Final
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.web.charts import Axes, Form, Series, amount_tick, percent_tick, plain_tick, ticks, time_ticks


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_are_few_evenly_spaced_and_inside(low: float, room: float) -> None:
    high = low + room
    if high - low < abs(low) * 1e-9:
        return
    found = ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - room * 1e-6 <= tick <= high + room * 1e-6 for tick in found)


def path(svg: str, shape: str) -> str:
    found = re.search(rf'<path class="{shape}" d="([^"]*)"', svg)
    assert found
    return found[1]


def test_a_line_rises_where_its_values_do_and_breaks_where_none_is_known() -> None:
    svg = Axes([0, 1, 2, 3], [Series("line a", [1.0, 2.0, None, 3.0])]).svg("rising")
    points = [tuple(map(float, p.split())) for p in re.findall(r"[\d.]+ [\d.]+", path(svg, "line a"))]
    assert path(svg, "line a").count("M") == 2
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_a_band_goes_there_along_its_top_and_back_along_its_bottom() -> None:
    svg = Axes([0, 1], [Series("band", [3.0, 4.0], [1.0, 2.0])]).svg("band")
    xs = [float(x) for x in re.findall(r"([\d.]+) [\d.]+", path(svg, "band"))]
    assert xs == [xs[0], xs[1], xs[1], xs[0]]
    assert xs[0] < xs[1]


def test_names_with_markup_stay_text() -> None:
    axes = Axes([0, 1], [Series("line a", [1.0, 1.0])])
    axes.mark(0.5, 1.0, "buy", '<script>"&')
    tree = ET.fromstring(axes.svg("a <b> & 'c'"))  # noqa: S314 - our own
    assert tree.get("aria-label") == "a <b> & 'c'"
    assert [title.text for title in tree.iter("title")] == ['<script>"&']


@pytest.mark.parametrize("values", [[None, None], [5.0, 5.0], [0.0, 0.0]])
def test_a_line_without_any_movement_or_value_can_be_drawn(values: list[float | None]) -> None:
    svg = Axes([7, 7], [Series("line a", values), Series("band", values, values)]).svg("flat")
    assert "nan" not in svg
    ET.fromstring(svg)  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("form", "step", "said"),
    [
        (amount_tick, 20_000.0, "80,000"),
        (amount_tick, 0.0025, "80,000.0000"),
        (percent_tick, 0.1, "8,000,000%"),
        (percent_tick, 0.005, "8,000,000.0%"),
        (plain_tick, 1.0, "80,000"),
    ],
)
def test_ticks_are_said_with_so_many_decimals_that_they_differ(form: Form, step: float, said: str) -> None:
    assert form(80_000.0, step) == said
    assert form(80_000.0 + step, step) != said


def test_a_run_that_never_moved_has_an_axis_around_zero_with_ticks_that_differ() -> None:
    svg = Axes([0, 1], [Series("line a", [0.0, 0.0])]).svg("flat")
    texts = re.findall(r'class="tick y"[^>]*>([^<]*)<', svg)
    assert texts == ["-1.0", "-0.5", "0.0", "0.5", "1.0"]


APRIL: Final = 28_532_160.0
"""2024-04-01 00:00 in epoch minutes, a Monday."""


@pytest.mark.parametrize(
    ("days", "texts"),
    [
        (0.25, ["01 Apr 00:00", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00"]),
        (1.5, ["01 Apr 00:00", "06:00", "12:00", "18:00", "02 Apr 00:00", "06:00", "12:00"]),
        (4.0, ["01 Apr 2024", "02 Apr", "03 Apr", "04 Apr", "05 Apr"]),
        (60.0, ["01 Apr 2024", "15 Apr", "29 Apr", "13 May", "27 May"]),
        (200.0, ["01 Apr 2024", "01 May", "01 Jun", "01 Jul", "01 Aug", "01 Sep", "01 Oct"]),
        (400.0, ["01 May 2024", "01 Jul", "01 Sep", "01 Nov", "01 Jan 2025", "01 Mar", "01 May"]),
        (3_000.0, ["01 Jan 2026", "01 Jan 2028", "01 Jan 2030", "01 Jan 2032"]),
    ],
)
def test_the_time_axis_has_round_moments_and_says_the_year_where_it_begins(
    days: float, texts: list[str]
) -> None:
    assert [text for _, text in time_ticks(APRIL, APRIL + days * 1440, 7)] == texts


@given(st.integers(0, 50_000_000), st.integers(1, 10_000_000), st.integers(2, 12))
@settings(max_examples=50)
def test_moments_of_the_time_axis_ascend_inside_it_and_are_few(first: int, span: int, most: int) -> None:
    at = [place for place, _ in time_ticks(first, first + span, most)]
    assert at == sorted(set(at))
    assert all(first <= place <= first + span for place in at)
    assert len(at) <= most + 1


def test_a_line_divides_a_chart_only_inside_it_and_its_text_stays_inside_too() -> None:
    axes = Axes([0, 1000], [Series("line a", [1.0, 2.0])])
    axes.divide(1000, "at the end")
    axes.divide(-5, "before")
    assert "divide" not in axes.svg("nothing")
    axes.divide(900, "late")
    axes.divide(100, "early")
    svg = axes.svg("twice")
    assert re.search(r'text-anchor="end">late', svg)
    assert re.search(r'text-anchor="start">early', svg)
