"""The catalogue as rows for a person or a program to read."""

from collections.abc import Iterable

from daemon.features.catalogue import Formula
from daemon.features.catalogue_prices import DEFINITIONS
from daemon.features.expression import history_rows, warmup_rows
from daemon.features.language import parse


def described(formulas: Iterable[Formula]) -> list[dict[str, object]]:
    """Return name, groups, formula, unit, warm-up, look-back and source of each formula."""
    rows: list[dict[str, object]] = []
    for formula in formulas:
        node = parse(formula.name, formula.formula, DEFINITIONS)
        rows.append(
            {
                "name": formula.name,
                "groups": ", ".join(formula.groups),
                "formula": formula.formula,
                "unit": formula.unit,
                "warmup_bars": warmup_rows(node),
                "history_bars": history_rows(node) + 1,
                "source": formula.source,
            }
        )
    return rows
