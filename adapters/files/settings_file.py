"""A settings file and the environment -> validated settings, or every problem at once.

The order: defaults, then the file, then variables `PAPERTAPE_SECTION__FIELD` whose values are YAML (`0.5`,
`true`, `[BTCUSDT, ETHUSDT]`). A secret comes from its variable, or from the file that
`PAPERTAPE_SECTION__FIELD_FILE` names, never from the settings file.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from adapters.files.settings_fields import child_model, find_field, is_secret, section_of
from adapters.files.settings_problems import Location, explain, unknown
from adapters.files.settings_yaml import Document, parse, parse_value
from daemon.errors import SettingsError
from daemon.settings import Settings

PREFIX = "PAPERTAPE_"
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LoadedSettings(Generic[Model]):
    """Settings and where they came from.

    Attributes:
        settings: Validated and frozen.
        where: Says where a setting was written.
    """

    settings: Model
    where: Location

    @property
    def origins(self) -> Mapping[str, str]:
        """Fields that the environment set: dotted path -> name of the variable."""
        return self.where.origins

    def place(self, dotted: str) -> str:
        """Return the line of a setting, or of what should hold it, as `FILE:LINE`, or its variable."""
        return self.where.of(tuple(dotted.split(".")))


def read_settings(path: Path | None, environment: Mapping[str, str]) -> LoadedSettings[Settings]:
    """Read settings from a file, if one is given, and the environment.

    Args:
        path: A YAML file; None takes the defaults.
        environment: The process's environment; only names with `PAPERTAPE_` and `__` in them are looked at.

    Raises:
        SettingsError: Nothing was read; `problems` holds each reason, as `FILE:LINE: section.field: ...`.
    """
    return read_model(Settings, path, environment)


def read_model(
    model: type[Model], path: Path | None, environment: Mapping[str, str]
) -> LoadedSettings[Model]:
    """Read settings of any shape; `read_settings` says how.

    Raises:
        SettingsError: As `read_settings`.
    """
    document = _read_document(path)
    name = str(path) if path else "defaults"
    problems = [f"{name}:{line}: {text}" for line, text in document.problems]
    data = document.data if isinstance(document.data, dict) else {}
    data = _without_empty_sections(model, data)
    for dotted, line in _secrets_in_file(model, data, document):
        variable = variable_of(dotted)
        problems.append(
            f"{name}:{line}: {dotted}: a secret does not belong in this file; "
            f"set {variable}, or {variable}_FILE to the path of a file that holds it"
        )
    origins: dict[str, str] = {}
    where = Location(name, document, origins)
    problems += _apply_environment(model, data, environment, origins)
    try:
        settings = model.model_validate(data)
    except ValidationError as error:
        problems += explain(model, error, where)
    if problems:
        raise SettingsError(sorted(problems, key=_line))
    return LoadedSettings(settings, where)


def _line(problem: str) -> int:
    """Return the line that a problem names; what names none comes last."""
    number = re.match(r".*?:(\d+): ", problem)
    return int(number[1]) if number else sys.maxsize


def variable_of(dotted: str) -> str:
    """Return the environment variable that sets a field: costs.impact -> PAPERTAPE_COSTS__IMPACT."""
    return PREFIX + dotted.upper().replace(".", "__")


def _read_document(path: Path | None) -> Document:
    if path is None:
        return Document(data={})
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file; check the path (--config)"]) from None
    except IsADirectoryError:
        raise SettingsError([f"{path}: is a folder; name the YAML file in it"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}; check its permissions"]) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{path}:{line}: is not UTF-8 text; save the file as UTF-8"]) from None
    document = parse(text)
    if document.data is None and document.problems:
        raise SettingsError([f"{path}:{line}: {problem}" for line, problem in document.problems])
    if document.data is None:
        raise SettingsError(
            [f"{path}: is empty; write at least one section, or leave --config out to take the defaults"]
        )
    if not isinstance(document.data, dict):
        raise SettingsError([f"{path}:1: must be sections (`costs:` and so on), not a list or a value"])
    return document


def _without_empty_sections(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the data, taking `costs:` with nothing under it (all commented out) for a section of defaults."""
    copy: dict[str, Any] = {}
    for key, value in data.items():
        section = child_model(model, key)
        if section is None or not (value is None or isinstance(value, dict)):
            copy[key] = value
        else:
            copy[key] = _without_empty_sections(section, value or {})
    return copy


def _secrets_in_file(
    model: type[BaseModel], data: Mapping[str, Any], document: Document, path: tuple[str, ...] = ()
) -> list[tuple[str, int]]:
    found = []
    for key, value in data.items():
        here = (*path, key)
        section = child_model(model, key)
        if section is not None and isinstance(value, dict):
            found += _secrets_in_file(section, value, document, here)
        elif value is not None and is_secret(model, key):
            found.append((".".join(here), document.line(here)))
    return found


def _apply_environment(
    model: type[BaseModel], data: dict[str, Any], environment: Mapping[str, str], origins: dict[str, str]
) -> list[str]:
    """Set what the environment names in `data`, note it in `origins`, return the problems."""
    problems = []
    for variable in sorted(environment):
        # Without `__` it is not ours: Kubernetes sets PAPERTAPE_SERVICE_HOST beside a service of that name.
        if not variable.startswith(PREFIX) or "__" not in variable:
            continue
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        text = environment[variable]
        secret_path = (*path[:-1], path[-1].removesuffix("_file"))
        try:
            if find_field(model, path) is None and _is_secret_path(model, secret_path):
                path, text = secret_path, read_secret(text)
            value = _value(model, path, text)
        except ValueError as error:
            problems.append(f"environment: {variable}: {error}")
            continue
        dotted = ".".join(path)
        if dotted in origins:
            problems.append(f"environment: {variable} and {origins[dotted]} both set {dotted}; keep one")
            continue
        section: Any = data
        for key in path[:-1]:
            # Something else than a section that stands in the file stays, for validation to complain of.
            section = section.setdefault(key, {}) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section[path[-1]] = value
            origins[dotted] = variable
    return problems


def _is_secret_path(model: type[BaseModel], path: tuple[str, ...]) -> bool:
    section = section_of(model, path)
    return section is not None and is_secret(section, path[-1])


def read_secret(place: str) -> str:
    """Return the secret that a file holds.

    Raises:
        ValueError: It cannot be read; says why and what to do.
    """
    try:
        return Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        message = f"the file it names, {place}, cannot be read: {reason}; check path and permissions"
        raise ValueError(message) from None


def _value(model: type[BaseModel], path: tuple[str, ...], text: str) -> object:
    """Return a variable's value for its field: YAML, or the text as it is where a text is wanted."""
    for length in range(1, len(path)):
        if find_field(model, path[:length]):
            dotted = ".".join(path[:length])
            message = f"{dotted} is one setting; give it whole, as YAML, in {variable_of(dotted)}"
            raise ValueError(message)
    wanted = find_field(model, path)
    if wanted is None:
        raise ValueError(unknown(model, path))
    if _is_secret_path(model, path):
        return text
    value = parse_value(text)
    if wanted.takes_text and not isinstance(value, dict | list) and value is not None:
        return text
    return value
