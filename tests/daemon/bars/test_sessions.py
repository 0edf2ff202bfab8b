"""Session minutes of exchanges' calendars."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from daemon.bars.grid import Grid
from daemon.bars.sessions import SessionCalendar, days_per_year, minutes_per_year, union
from daemon.errors import BarsError


def minute_of(text: str) -> int:
    return int(np.datetime64(text, "m").astype(np.int64))


def test_round_the_clock_every_minute_is_a_session_minute() -> None:
    calendar = SessionCalendar("24/7")
    assert calendar.minutes(10, 13).tolist() == [10, 11, 12, 13]
    assert calendar.sessions(np.array([10, 11, 500])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2024-03-08", "14:30", "20:59"),  # the Friday before daylight saving began
        ("2024-03-11", "13:30", "19:59"),  # the Monday after
        ("2024-07-03", "13:30", "16:59"),  # closes at one o'clock, the day before a holiday
        ("2024-11-29", "14:30", "17:59"),  # the same after daylight saving ended
    ],
)
def test_new_york_follows_daylight_saving_and_half_days(day: str, first: str, last: str) -> None:
    minutes = SessionCalendar("XNYS").minutes(minute_of(f"{day}T00:00"), minute_of(f"{day}T23:59"))
    assert (minutes[0], minutes[-1]) == (minute_of(f"{day}T{first}"), minute_of(f"{day}T{last}"))
    assert len(minutes) == minutes[-1] - minutes[0] + 1


def test_a_holiday_has_no_session_minutes() -> None:
    calendar = SessionCalendar("XNYS")
    day = np.arange(minute_of("2024-07-04T00:00"), minute_of("2024-07-05T00:00"))
    assert not len(calendar.minutes(int(day[0]), int(day[-1])))
    assert set(calendar.sessions(day).tolist()) == {-1}
    assert calendar.sessions(day[:0]).tolist() == []


def test_a_lunch_break_divides_a_day_into_two_sessions() -> None:
    calendar = SessionCalendar("XHKG")
    first, last = minute_of("2024-01-03T00:00"), minute_of("2024-01-03T23:59")
    minutes = calendar.minutes(first, last)
    # 09:30 to 12:00 and 13:00 to 16:00 in Hong Kong.
    assert len(minutes) == 150 + 180
    sessions = calendar.sessions(np.arange(first, last + 1))
    assert sorted(set(sessions.tolist())) == [-1, 0, 1]


def test_a_union_has_the_minutes_of_any_of_its_calendars() -> None:
    york, london = SessionCalendar("XNYS"), SessionCalendar("XLON")
    span = (minute_of("2024-03-08T00:00"), minute_of("2024-03-13T00:00"))
    both = union([york, london])
    assert both.minutes(*span).tolist() == sorted(
        {*york.minutes(*span).tolist(), *london.minutes(*span).tolist()}
    )
    assert union([york, SessionCalendar("24/7")]).minutes(0, 3).tolist() == [0, 1, 2, 3]


def test_an_unknown_calendar_is_refused_with_examples() -> None:
    with pytest.raises(BarsError, match=r"no calendar named 'NYSE2'.*XNYS"):
        SessionCalendar("NYSE2")


def test_a_range_that_no_calendar_covers_is_refused() -> None:
    with pytest.raises(BarsError, match="does not cover 1901"):
        SessionCalendar("XKRX").minutes(minute_of("1902-01-01T00:00"), minute_of("1902-01-02T00:00"))


def test_every_recorded_minute_of_a_new_york_session_is_one_of_the_calendar(shared_data: Path) -> None:
    frame = pl.read_parquet(shared_data / "us_spy_2024-03_2025-04.parquet")
    recorded = frame["time"].dt.epoch("s").to_numpy() // 60
    sessions = set(SessionCalendar("XNYS").minutes(int(recorded[0]), int(recorded[-1])).tolist())
    assert sessions <= set(recorded.tolist())
    # The file also has minutes behind the close: auctions, and the afternoons of half days.
    assert len(set(recorded.tolist()) - sessions) < 0.03 * len(recorded)


def test_a_grid_gives_each_instrument_the_sessions_of_its_own_calendar() -> None:
    grid = Grid(["XNYS", "24/7"])
    minutes = grid.minutes(minute_of("2024-03-08T14:28"), minute_of("2024-03-08T14:31"))
    assert grid.sessions(minutes).tolist() == [[-1, 0], [-1, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("max_minutes", [1, 7, 389, 390, 391, 30_000])
def test_runs_of_a_grid_are_full_but_for_the_last(max_minutes: int) -> None:
    grid = Grid(["XNYS"])
    first, last = minute_of("2024-03-08T00:00"), minute_of("2024-03-25T18:00")
    runs = list(grid.runs(first, last, max_minutes))
    assert np.concatenate(runs).tolist() == grid.minutes(first, last).tolist()
    assert all(len(run) == max_minutes for run in runs[:-1])
    assert 0 < len(runs[-1]) <= max_minutes


def test_a_year_has_the_session_minutes_of_its_market() -> None:
    assert minutes_per_year("24/7") == 525_600
    # 252, 251, 250 and 252 days of 390 minutes, less 180 on each of the 1, 1, 2 and 3 half days.
    assert minutes_per_year("XNYS") == ((252 + 251 + 250 + 252) * 390 - 7 * 180) / 4
    assert (days_per_year("24/7"), days_per_year("XNYS")) == (365, round((252 + 251 + 250 + 252) / 4))
    for figure in (minutes_per_year, days_per_year):
        with pytest.raises(BarsError, match="no calendar named"):
            figure("XNOPE")
