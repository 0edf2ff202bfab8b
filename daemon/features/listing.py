"""The catalogue as rows for a person or a program to read."""

from collections.abc import Collection, Iterable

from daemon.features.catalogue import Formula, catalogue
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


def warmups(formulas: Collection[Formula]) -> dict[str, int]:
    """Return by name after how many bars each has a value; own formulas may name those of the catalogue."""
    texts = {formula.name: formula.formula for formula in (*catalogue().values(), *formulas)}
    known = {**DEFINITIONS, **texts}
    return {
        one.name: warmup_rows(
            parse(one.name, one.formula, {name: text for name, text in known.items() if name != one.name})
        )
        for one in formulas
    }
