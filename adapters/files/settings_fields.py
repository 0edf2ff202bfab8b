"""What a settings model has at a path: sections, fields, secrets."""

import types
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class FoundField:
    """A field that can be set.

    Attributes:
        info: What pydantic knows of it.
        takes_text: A plain text is a valid value, so `2024` may stand for the text "2024".
    """

    info: FieldInfo
    takes_text: bool


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return get_args(annotation)
    return (annotation,)


def child_model(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the section that stands at a key of a section; None for a plain or an unknown field."""
    info = model.model_fields.get(key)
    if info is None:
        return None
    for annotation in _alternatives(info.annotation):
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
    return None


def section_of(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the section that holds the last part of a path, or None if there is none.

    Values of a mapping whose values are sections (`universe.overrides.BTCUSDT.tick`) count.
    """
    section: type[BaseModel] | None = model
    entries: type[BaseModel] | None = None
    for key in path[:-1]:
        if entries is not None:
            section, entries = entries, None
            continue
        if section is None:
            return None
        info = section.model_fields.get(str(key))
        entries = _entries_model(info.annotation) if info else None
        section = child_model(section, str(key))
    return section


def _entries_model(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) is dict:
        value = get_args(annotation)[1]
        if isinstance(value, type) and issubclass(value, BaseModel):
            return value
    return None


def find_field(model: type[BaseModel], path: tuple[str | int, ...]) -> FoundField | None:
    """Return the field (not a section) at a path, or None."""
    section = section_of(model, path)
    name = str(path[-1])
    if section is None or name not in section.model_fields or child_model(section, name) is not None:
        return None
    info = section.model_fields[name]
    return FoundField(info, takes_text=str in _alternatives(info.annotation))


def is_secret(section: type[BaseModel], name: str) -> bool:
    """Return whether a field of a section holds a secret."""
    info = section.model_fields.get(name)
    return info is not None and SecretStr in _alternatives(info.annotation)
