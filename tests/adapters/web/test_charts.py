"""Charts: where ticks, lines and marks come to stand."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.web.charts import Axes, Series, ticks


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
