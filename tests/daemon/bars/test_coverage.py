"""What came and what was missing, counted however the minutes are cut."""

from dataclasses import replace
from decimal import Decimal
from itertools import groupby, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.bars.coverage import Coverage, CoverageFigures
from daemon.bars.sessions import SessionCalendar
from daemon.events import Instrument, Minutes

FIRST = int(np.datetime64("2024-07-03T16:50", "m").astype(np.int64))
"""Ten minutes before New York closes early for a holiday."""

CELLS = st.sampled_from("..tttsz")
"""Absent, a trade, made by papertape, a bar without a trade."""


def of(*calendars: str) -> tuple[Instrument, ...]:
    return tuple(
        Instrument(f"x:{name}", "USD", Decimal("0.01"), Decimal(1), calendar)
        for name, calendar in zip("ABCDE", calendars, strict=False)
    )


def minutes_of(columns: list[str], first: int = FIRST) -> Minutes:
    """Minutes with one text per instrument, one sign per minute."""
    signs = np.array([list(column) for column in columns]).T
    came = signs != "."
    price = np.where(came, 10.0, np.nan)
    volume = np.where(signs == "t", 5.0, np.where(came, 0.0, np.nan))
    return Minutes(
        minute=first + np.arange(len(signs)),
        open=price,
        high=price,
        low=price,
        close=price,
        volume=volume,
        taker=np.full(signs.shape, np.nan),
        present=came,
        synthetic=signs == "s",
        catch_up=np.zeros(len(signs), dtype=np.bool_),
    )


def counted(column: str, calendar: str = "24/7") -> CoverageFigures:
    coverage = Coverage(of(calendar))
    minutes = minutes_of([column])
    coverage.update(minutes, minutes)
    return coverage.figures()[0]


def test_bars_gaps_and_the_minutes_before_the_first_bar_are_counted_by_hand() -> None:
    figures = counted("...tt..tszt...tt.")
    assert figures == CoverageFigures(
        instrument="x:A",
        expected=14,
        received=7,
        synthetic=1,
        untraded=1,
        refused=0,
        gaps=3,
        longest_gap=3,
        open_gap=1,
        early=3,
    )
    assert figures.absent == 6


def test_an_instrument_that_the_warm_up_has_seen_is_expected_from_the_first_minute_on() -> None:
    coverage = Coverage(of("24/7"))
    coverage.warm(minutes_of(["t."]))
    minutes = minutes_of(["..t"])
    coverage.update(minutes, minutes)
    (figures,) = coverage.figures()
    assert (figures.early, figures.expected, figures.gaps, figures.longest_gap) == (0, 3, 1, 2)


def test_a_gap_ends_where_whole_minutes_follow() -> None:
    coverage, minutes = Coverage(of("24/7")), minutes_of(["t..tt.t"])
    for part in (minutes[:3], minutes[3:5], minutes[5:]):
        coverage.update(part, part)
    (figures,) = coverage.figures()
    assert (figures.gaps, figures.longest_gap, figures.open_gap) == (2, 2, 0)


def test_a_bar_that_the_features_refuse_came_all_the_same() -> None:
    coverage, minutes = Coverage(of("24/7")), minutes_of(["ttt"])
    coverage.update(minutes, replace(minutes, present=np.array([[True], [False], [True]])))
    (figures,) = coverage.figures()
    assert (figures.received, figures.refused, figures.gaps) == (3, 1, 0)


def test_a_closed_market_lacks_nothing_beside_one_that_never_closes() -> None:
    coverage = Coverage(of("24/7", "XNYS"))
    minutes = minutes_of(["t" * 15, "t" * 8 + "." * 7])
    coverage.update(minutes, minutes)
    always, stock = coverage.figures()
    assert (always.expected, always.absent) == (15, 0)
    assert (stock.expected, stock.absent, stock.gaps, stock.open_gap) == (10, 2, 1, 2)


def naive(column: str, calendar: str) -> tuple[int, int, int, int, int]:
    """The same by a loop over one instrument's own minutes, written another way."""
    own = set(SessionCalendar(calendar).minutes(FIRST, FIRST + len(column) - 1).tolist())
    signs = "".join(s for t, s in enumerate(column) if FIRST + t in own)
    early = len(signs) - len(signs.lstrip("."))
    signs = signs[early:]
    runs = [len(list(run)) for sign, run in groupby(signs) if sign == "."]
    open_gap = len(signs) - len(signs.rstrip("."))
    return len(signs), early, len(runs), max(runs, default=0), open_gap


@given(
    data=st.data(),
    n_minutes=st.integers(1, 30),
    cuts=st.lists(st.integers(1, 29), max_size=6),
)
def test_any_cut_and_any_stop_give_the_counts_of_a_plain_loop(
    data: st.DataObject, n_minutes: int, cuts: list[int]
) -> None:
    calendars = ("24/7", "XNYS", "24/7")
    columns = ["".join(data.draw(st.lists(CELLS, min_size=n_minutes, max_size=n_minutes))) for _ in calendars]
    open_minutes = set(SessionCalendar("XNYS").minutes(FIRST, FIRST + n_minutes).tolist())
    columns[1] = "".join(s if FIRST + t in open_minutes else "." for t, s in enumerate(columns[1]))
    minutes = minutes_of(columns)
    coverage = Coverage(of(*calendars))
    edges = sorted({0, n_minutes, *(cut for cut in cuts if cut < n_minutes)})
    for start, stop in pairwise(edges):
        coverage.update(minutes[start:stop], minutes[start:stop])
        coverage = Coverage(of(*calendars)).restored(coverage.to_fields())
    for figures, column, calendar in zip(coverage.figures(), columns, calendars, strict=True):
        found = (figures.expected, figures.early, figures.gaps, figures.longest_gap, figures.open_gap)
        assert found == naive(column, calendar)
        assert figures.received == column.count("t") + column.count("z")
        assert (figures.synthetic, figures.untraded) == (column.count("s"), column.count("z"))


def test_an_instrument_that_joins_begins_at_nothing_and_the_others_keep_their_counts() -> None:
    coverage, minutes = Coverage(of("24/7", "24/7")), minutes_of(["tt.", "t.t"])
    coverage.update(minutes, minutes)
    coverage = coverage.regrouped(np.array([1, -1]), of("24/7", "24/7"))
    kept, fresh = coverage.figures()
    assert (kept.expected, kept.received, kept.gaps) == (3, 2, 1)
    assert (fresh.expected, fresh.received, fresh.early) == (0, 0, 0)
    coverage.update(minutes[:0], minutes[:0])
    assert coverage.figures() == (kept, fresh)
