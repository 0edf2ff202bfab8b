"""A user's own formulas, as a file or an entry point states them."""

import re
from collections.abc import Mapping

from daemon.errors import FormulaError
from daemon.features.catalogue import Formula

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEYS = frozenset({"formula", "unit", "group", "source"})


def own_formulas(stated: Mapping[str, object]) -> dict[str, Formula]:
    """Check the outer form of a user's formulas: name -> text, or name -> {formula, unit, group, source}.

    Raises:
        FormulaError: A name or an entry is not of this form.
    """
    result = {}
    for name, entry in stated.items():
        if not _NAME.fullmatch(str(name)):
            raise FormulaError(f"feature {name!r}: a name is lower-case letters, digits and _, at most 64")
        parts: Mapping[object, object] = (
            {"formula": entry} if isinstance(entry, str) else _mapping(name, entry)
        )
        unknown = sorted(str(key) for key in parts if key not in _KEYS)
        if unknown:
            raise FormulaError(
                f"feature {name}: unknown {', '.join(unknown)}; there are {', '.join(sorted(_KEYS))}"
            )
        texts = {key: parts.get(key, default) for key, default in _DEFAULTS.items()}
        wrong = [key for key, value in texts.items() if not isinstance(value, str) or not value.strip()]
        if wrong:
            raise FormulaError(f"feature {name}: {', '.join(wrong)} must be text")
        formula, unit, group, source = (str(texts[key]).strip() for key in _DEFAULTS)
        result[name] = Formula(name, formula, unit, (group,), source)
    return result


_DEFAULTS = {"formula": None, "unit": "ratio", "group": "own", "source": "user"}


def _mapping(name: str, entry: object) -> Mapping[object, object]:
    if not isinstance(entry, Mapping):
        raise FormulaError(f"feature {name}: write its formula as text, or a mapping with `formula`")
    return entry
