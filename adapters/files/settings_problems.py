"""What validation found wrong -> sentences: where, what is wrong, what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from adapters.files.settings_fields import child_model, find_field, is_secret, section_of
from adapters.files.settings_yaml import Document, Path
from daemon.settings.stored import MOVED

# pydantic speaks of Python's types; the user writes YAML.
OUR_WORDS = {"valid tuple": "list", "valid dictionary": "mapping", "valid string": "text"}


Details = Mapping[str, Any]
"""One of pydantic's complaints: type, loc, msg, input."""


@dataclass(frozen=True, slots=True)
class Location:
    """Turns a path into the place that the user wrote: a line of the file or a variable.

    Attributes:
        name: Of the file.
        document: Its lines.
        origins: Dotted path -> environment variable that set it.
    """

    name: str
    document: Document
    origins: Mapping[str, str]

    def of(self, path: Path) -> str:
        """Return `FILE:LINE` or `environment: VARIABLE`."""
        for length in range(len(path), 0, -1):
            variable = self.origins.get(".".join(map(str, path[:length])))
            if variable:
                return f"environment: {variable}"
        return f"{self.name}:{self.document.line(path)}"


def explain(model: type[BaseModel], error: ValidationError, where: Location) -> list[str]:
    """Return one sentence for each thing that is wrong, in the order of the settings' fields."""
    # A field that may be of several kinds is refused once for each of them: one sentence for all.
    reasons: dict[Path, list[Details]] = {}
    for details in error.errors(include_url=False):
        path = _path(model, details)
        reasons.setdefault(path, []).append(details)
    sentences = []
    for path, found in reasons.items():
        dotted = ".".join(map(str, path))
        sentences.append(f"{where.of(path)}: {dotted}: {_sentence(model, path, found)}")
    return sentences


def unknown(model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    """Say that there is no such setting, and which one may have been meant."""
    dotted = ".".join(map(str, path))
    if dotted in MOVED:
        moved = MOVED[dotted]
        now = f"is called `{moved.to}` now" if moved.to else "is no setting any more"
        return f"{dotted} {now}; {moved.why or 'write that instead'}"
    section = section_of(model, path)
    if section is None:
        return unknown(model, path[:-1])
    name = str(path[-1])
    if child_model(section, name) is not None:
        return f"{dotted} is a section, not a setting; set one of {_listed(child_model(section, name), path)}"
    near = get_close_matches(name, section.model_fields, n=1, cutoff=0.6)
    if near:
        return f"there is no setting {dotted}; did you mean `{near[0]}`?"
    elsewhere = [place for place in _all_fields(model) if place.rsplit(".", maxsplit=1)[-1] == name]
    if elsewhere:
        meant = " or ".join(f"`{place}`" for place in elsewhere)
        return f"there is no setting {dotted}; did you mean {meant}?"
    return f"there is no setting {dotted}; remove it, or use one of {', '.join(section.model_fields)}"


def _listed(section: type[BaseModel] | None, path: tuple[str | int, ...]) -> str:
    prefix = ".".join(map(str, path))
    return ", ".join(f"{prefix}.{name}" for name in (section.model_fields if section else ()))


def _all_fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name in model.model_fields:
        section = child_model(model, name)
        if section is None:
            yield prefix + name
        else:
            yield from _all_fields(section, f"{prefix}{name}.")


def _path(model: type[BaseModel], details: Details) -> Path:
    """Return pydantic's location without the names of union members that it puts behind a field."""
    path: Path = details["loc"]
    if details["type"] == "extra_forbidden":
        return path
    for length in range(1, len(path) + 1):
        found = find_field(model, path[:length])
        if found is not None:
            index = path[length:]
            # Positions in lists and keys of mappings stay; names such as `tuple[str, ...]` are pydantic's.
            kept = tuple(part for part in index if isinstance(part, int) or str(part).isidentifier())
            return path[:length] + kept
    return path


def _sentence(model: type[BaseModel], path: Path, found: list[Details]) -> str:
    first = found[0]
    if first["type"] == "extra_forbidden":
        return unknown(model, path)
    if first["type"] == "missing":
        return "is missing and has no default; add it"
    if first["type"] == "value_error" and not find_field(model, path):
        return f"{first['ctx']['error']}; change one of them"
    if child_model_at(model, path) is not None:
        return "is a section: put its settings under it, indented, as `name: value`"
    messages = [details["msg"].removeprefix("Value error, ").removeprefix("Input ") for details in found]
    reason = " or ".join(dict.fromkeys(messages))
    for theirs, ours in OUR_WORDS.items():
        reason = reason.replace(theirs, ours)
    return f"{reason}{_shown(model, path, first)}; {_remedy(model, path)}"


def child_model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the section at a path itself, or None if a plain field or nothing stands there."""
    section = section_of(model, path)
    return child_model(section, str(path[-1])) if section is not None and path else None


def _shown(model: type[BaseModel], path: Path, details: Details) -> str:
    section = section_of(model, path)
    value: Any = details["input"]
    if (section is not None and is_secret(section, str(path[-1]))) or isinstance(value, dict | list | tuple):
        return ""
    return f", but is `{value}`"


def _remedy(model: type[BaseModel], path: Path) -> str:
    found = find_field(model, path)
    if found is None or found.info.is_required():
        return "change it"
    default = found.info.get_default(call_default_factory=True)
    if default is None or default in ((), {}):
        return "change it, or remove it"
    shown = ", ".join(map(str, default)) if isinstance(default, tuple) else default
    return f"change it, or remove it for the default `{shown}`"
