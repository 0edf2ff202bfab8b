"""Settings as an earlier version wrote them: on a tape, in a bundle, in a user's file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a setting that an earlier version had.

    Attributes:
        to: Dotted path of the one that stands for it now; None if there is none.
        why: For a person: what to write instead.
    """

    to: str | None
    why: str = ""


MOVED: Final[Mapping[str, Moved]] = {}
"""Settings of released versions, by dotted path, that this version does not have.

None so far. Whoever renames or removes one adds it here: then tapes and bundles are still read, and users are
told the new name.
"""


def upgraded(text: str, moved: Mapping[str, Moved] = MOVED) -> dict[str, Any]:
    """Return stored settings with what was renamed since under its new name, and without what is gone.

    Args:
        text: JSON.
        moved: What became of settings.
    """
    data: dict[str, Any] = json.loads(text)
    for old, new in moved.items():
        found, value = _taken(data, old.split("."))
        if found and new.to is not None:
            _put(data, new.to.split("."), value)
    return data


def _taken(data: dict[str, Any], path: list[str]) -> tuple[bool, Any]:
    """Remove a value and return whether it was there, and what it was."""
    section: Any = data
    for key in path[:-1]:
        section = section.get(key) if isinstance(section, dict) else None
    if not isinstance(section, dict) or path[-1] not in section:
        return False, None
    return True, section.pop(path[-1])


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        data = data.setdefault(key, {})
    data.setdefault(path[-1], value)
