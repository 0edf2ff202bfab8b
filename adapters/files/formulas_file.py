"""A user's own feature formulas in YAML: name -> formula, or name -> {formula, unit, group, source}."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from daemon.errors import FormulaError


def read_formulas_file(path: Path | str) -> dict[str, object]:
    """Return the file's formulas by name, as they stand there.

    Raises:
        FormulaError: The file cannot be read, is no YAML, or holds something else than names and formulas.
    """
    try:
        stated = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FormulaError(f"{path}: the formulas cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormulaError(f"{path}: the formulas are not UTF-8 text: {error}") from error
    except YAMLError as error:
        raise FormulaError(f"{path}: this is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(stated, dict):
        raise FormulaError(
            f"{path}: formulas are a mapping; write lines like `my_feature: ratio(close, lag(close, 5), 1)`"
        )
    return {str(name): formula for name, formula in stated.items()}
