"""When a settings file has other content: seen however it was replaced.

The folder is watched, not the file: editors rename a new file over the old one, and Kubernetes swaps the
symlink `..data` beside it. What counts is the content behind all links, not the events; it is also looked at
now and then, for disks and links that tell of no events.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from watchfiles import awatch

from adapters.files.settings_yaml import parse

LOOK_MS: Final = 5_000
"""How often the content is looked at though no event came."""

GATHER_MS: Final = 200
"""Events so close together are taken for one change."""

STILL_S: Final = 0.2
"""A file that has not changed for so long is not being written."""

PATIENCE_S: Final = 2.0
"""A file that is empty, gone or no YAML text may be half-written; after so long it is what it is."""

LONGEST_S: Final = 10.0
"""A file that changes all the time is read after so long."""


async def other_content(
    path: Path, seen: bytes | None, unwatched: Callable[[str], None]
) -> AsyncIterator[None]:
    """Yield whenever the file's content is another than it was before, for ever.

    Args:
        path: Of the file; it may be a link, and absent.
        seen: The content that is known already; None if there was no file.
        unwatched: Told why the system does not watch the folder, each time; the content is looked at all the
            same.
    """
    async for _ in _looks(path.parent, unwatched):
        now = content_of(path)
        if now != seen:
            seen = now
            yield


async def _looks(folder: Path, unwatched: Callable[[str], None]) -> AsyncIterator[None]:
    """Yield whenever something in the folder may have changed."""
    yield  # between the reading of the file and now
    while True:
        try:
            async for _ in awatch(
                folder,
                watch_filter=None,
                debounce=GATHER_MS,
                recursive=False,
                rust_timeout=LOOK_MS,
                yield_on_timeout=True,
            ):
                yield
        except (
            OSError,
            RuntimeError,
        ) as error:  # the latter for what else the system refuses
            unwatched(str(error))
        await asyncio.sleep(LOOK_MS / 1000)  # nobody tells of changes here: it is looked at instead
        yield


def content_of(path: Path) -> bytes | None:
    """Return what stands behind all links, or None if nothing can be read there."""
    try:
        return path.read_bytes()
    except OSError:
        return None


async def still(path: Path, still_s: float = STILL_S, patience_s: float = PATIENCE_S) -> None:
    """Wait until the file is not being written: it stands still, and is YAML text or does not become it.

    Args:
        path: Of the file.
        still_s: How long it has to stand still.
        patience_s: How long one that stands still and is no YAML text is waited for.
    """
    loop = asyncio.get_running_loop()
    began_s = changed_s = loop.time()
    before = content_of(path)
    while True:
        await asyncio.sleep(still_s)  # an editor may be in the midst of writing; nothing says when it is done
        now, now_s = content_of(path), loop.time()
        if now != before:
            before, changed_s = now, now_s
        elif _is_whole(now) or now_s >= changed_s + patience_s:
            return
        if now_s >= began_s + LONGEST_S:
            return


def _is_whole(content: bytes | None) -> bool:
    if not content:
        return False
    try:
        document = parse(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return False
    return document.data is not None and not document.problems
