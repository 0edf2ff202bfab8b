"""What differs between two settings, and what that needs."""

from collections.abc import Iterator, Mapping
from numbers import Number

from daemon.settings.section import Reload, Section


def changes(now: Section, new: Section) -> Mapping[str, Reload]:
    """Return every setting that differs, as a dotted path, and what its change needs.

    Args:
        now: All sections, as they are in force.
        new: The same, as they are wanted.
    """
    found: dict[str, Reload] = {}
    for name in type(now).model_fields:
        before, after = getattr(now, name), getattr(new, name)
        for field in type(before).model_fields:
            reload = before.reload_of(field)
            found |= dict.fromkeys(_differing(before, after, f"{name}.", field), reload)
    return found


def in_words(path: str, now: Section, new: Section) -> str:
    """Name a setting that differs, with its values where they are numbers, which are never secret."""
    before, after = _at(now, path), _at(new, path)
    if isinstance(before, Number) and isinstance(after, Number):
        return f"{path} ({before} -> {after})"
    return path


def _at(section: object, path: str) -> object:
    for name in path.split("."):
        section = getattr(section, name)
    return section


def _differing(now: Section, new: Section, prefix: str, field: str) -> Iterator[str]:
    """Yield the paths of what differs in a field: its own, or those within where it is a section."""
    before, after = getattr(now, field), getattr(new, field)
    if before == after:
        return
    if isinstance(before, Section) and isinstance(after, Section):
        for inner in type(before).model_fields:
            yield from _differing(before, after, f"{prefix}{field}.", inner)
    else:
        yield f"{prefix}{field}"
