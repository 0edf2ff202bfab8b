"""What recorded frames are about."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

LONG_AFTER: Final = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
"""A clock that no recorded frame is ahead of."""

SYMBOL_KEYS: Final = frozenset(("s", "instId", "product_id", "symbol"))


def symbols_in(frames: list[bytes]) -> list[str]:
    """Every symbol that recorded frames name, wherever in them."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in SYMBOL_KEYS and isinstance(inner, str):
                    yield inner
                if key == "topic":
                    yield inner.rpartition(".")[2]
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    found: set[str] = set()
    for frame in frames:
        found.update(walk(json.loads(frame)))
    return sorted(found)


def lines_of(path: Path) -> list[bytes]:
    """The frames of a recording."""
    return path.read_bytes().splitlines()
