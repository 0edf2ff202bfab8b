"""A user's own feature formulas, from the files and entry points that `features.formulas` names."""

import importlib
from collections.abc import Mapping, Sequence

from daemon.errors import FormulaError


def read_formulas(places: Sequence[str]) -> dict[str, object]:
    """Return formulas by name: text, or a mapping with `formula`.

    Args:
        places: YAML files, or `module:attribute` where an installed package keeps a mapping of the same form.

    Raises:
        FormulaError: A place cannot be read, or a name stands in two of them.
    """
    from adapters.files.formulas_file import read_formulas_file

    found: dict[str, object] = {}
    for place in places:
        stated = read_formulas_file(place) if place.endswith((".yaml", ".yml")) else _from_module(place)
        if twice := sorted(set(stated) & set(found)):
            raise FormulaError(
                f"{place}: {', '.join(twice)} is already defined in another of features.formulas"
            )
        found |= stated
    return found


def _from_module(place: str) -> dict[str, object]:
    module, colon, attribute = place.partition(":")
    if not colon:
        raise FormulaError(
            f"features.formulas: {place!r} is neither a file ending in .yaml nor an entry point "
            f"module:attribute"
        )
    try:
        stated = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise FormulaError(
            f"features.formulas: {place} cannot be loaded ({error}); install the package that has it in "
            f"papertape's environment"
        ) from error
    if not isinstance(stated, Mapping):
        raise FormulaError(f"features.formulas: {place} is no mapping of names to formulas")
    return {str(name): formula for name, formula in stated.items()}
