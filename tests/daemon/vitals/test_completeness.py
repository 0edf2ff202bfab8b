"""What the summary says of bars that were missing."""

from dataclasses import replace

from daemon.bars.coverage import CoverageFigures
from daemon.vitals.completeness import MOST_ROWS, bars_panel, missing_facts

WHOLE = CoverageFigures("a:X", 1_000, 1_000, 0, 0, 0, 0, 0, 0, 0)
THIN = CoverageFigures("a:Y", 2_000, 800, 200, 50, 3, 12, 80, 25, 1_500)


def test_the_table_has_a_row_of_each_instrument_and_one_of_all() -> None:
    _, columns, rows = bars_panel((WHOLE, THIN))
    assert [dict(zip(columns, row, strict=True))["absent"] for row in rows] == [
        "0 (0.0%)",
        "1,000 (50.0%)",
        "1,000 (33.3%)",
    ]
    assert rows[1] == ("a:Y", "2,000", "800", "50", "200", "1,000 (50.0%)", "12", "80 min")
    assert rows[2][0] == "all 2"
    assert len(bars_panel((WHOLE,))[2]) == 1


def test_of_many_instruments_the_ones_that_lack_most_are_shown() -> None:
    many = [replace(WHOLE, instrument=f"a:{i:03}", received=1_000 - i) for i in range(100)]
    _, _, rows = bars_panel(many)
    assert len(rows) == MOST_ROWS + 1
    assert [row[0] for row in rows[:-1]] == [f"a:{i:03}" for i in range(80, 100)]
    assert rows[-1][:3] == ("all 100", "100,000", f"{100_000 - 4_950:,}")


def test_an_instrument_of_which_nothing_was_expected_lacks_nothing() -> None:
    nothing = CoverageFigures("a:Z", 0, 0, 0, 0, 0, 0, 0, 0, 60)
    assert bars_panel((nothing,))[2][0][5] == "0 (0.0%)"


def test_only_what_is_to_be_said_is_said() -> None:
    assert missing_facts((WHOLE,), {}) == {}
    assert missing_facts((WHOLE, THIN), {"a:X": 30, "a:Y": 0}) == {
        "no bar yet": "a:Y for the first 1,500 min",
        "no bar at the end": "a:Y for the last 25 min",
        "outside sessions": "a:X 30 bars left out",
        "bars refused": "a:Y 3 bars",
    }


def test_a_long_list_names_the_worst_and_counts_the_rest() -> None:
    facts = missing_facts((), {f"a:{i}": i for i in range(1, 9)})
    assert facts["outside sessions"].startswith("a:8 8 bars left out, a:7")
    assert facts["outside sessions"].endswith("a:4 4 bars left out, and 3 more")
