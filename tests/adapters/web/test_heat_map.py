"""The heat map of drift by day."""

import re
from typing import Any

from adapters.web.heat_map import MOST_COLUMNS, MOST_ROWS, heat_map


def drift(n_features: int, n_days: int, note: str = "") -> dict[str, Any]:
    """Drift whose feature number f stands at f times its threshold on every day but the first."""
    return {
        "note": note,
        "days": [f"2024-01-{day + 1:02d}" for day in range(n_days)],
        "features": [
            {
                "feature": f"feature<{f}>",
                "threshold": None if note else 0.05,
                "sees": f % 2 == 0,
                "odd_days": f,
                "psi": [None, *([0.05 * f] * (n_days - 1))],
            }
            for f in range(n_features)
        ],
    }


def cells(svg: str, shape: str) -> int:
    found = re.search(rf'class="heat {shape}" d="([^"]*)"', svg)
    return found[1].count("M") if found else 0


def test_every_cell_has_the_colour_of_its_share_of_the_threshold_and_unknown_ones_are_blank() -> None:
    made = heat_map(drift(4, 10), "drift")
    assert (made.shown, made.of, made.days_in_column) == (4, 4, 1)
    # 0, 1, 2 and 3 times the threshold, nine days each: the first day is unknown.
    assert {shape: cells(made.svg, shape) for shape, _ in made.keys} == {
        "h0": 9,
        "h1": 0,
        "h2": 0,
        "h3": 9,
        "h4": 9,
        "h5": 9,
    }
    assert "feature&lt;1&gt;" in made.svg


def test_without_thresholds_colours_are_those_of_the_index_itself() -> None:
    made = heat_map(drift(4, 10, "too short"), "drift")
    assert made.keys[0][1].endswith("PSI")
    assert "no threshold" in made.svg
    assert [cells(made.svg, shape) for shape, _ in made.keys] == [18, 9, 9, 0, 0, 0]


def test_many_days_share_columns_and_many_features_are_cut() -> None:
    made = heat_map(drift(MOST_ROWS + 5, 2 * MOST_COLUMNS + 1), "drift")
    assert (made.shown, made.of, made.days_in_column) == (MOST_ROWS, MOST_ROWS + 5, 3)
    assert sum(cells(made.svg, shape) for shape, _ in made.keys) <= MOST_ROWS * MOST_COLUMNS


def test_an_empty_map_is_drawn_too() -> None:
    assert heat_map(drift(0, 0), "drift").svg.startswith("<svg")
    assert heat_map(drift(2, 1), "drift", 420.0).svg.count("<path") == 0
