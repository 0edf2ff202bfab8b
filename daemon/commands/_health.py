"""Health of a live run: told by its loop and its commits, asked at /healthz and /readyz."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from adapters.clock import SystemClock
from adapters.tape.place import Place
from daemon.commands._task_beside import beside
from daemon.diagnostics import Diagnostics
from daemon.events import BatchRecord, Snapshot
from daemon.live import Checks, Health, LiveCommit, all_well, ills
from daemon.ports import LiveClock
from daemon.settings import Settings

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer, Page

BEAT_S: Final = 1.0
"""Between two beats of the loop, by the machine's time."""

LEAST_FREE_BYTES: Final = 16 << 20
"""Less is too little for a group of batches and SQLite's log of it."""


def health_of(settings: Settings, place: Place) -> Health:
    """Return the health of a process that is about to run live on this tape."""
    return Health(settings.health, SystemClock(), lambda: tape_problem(place))


def tape_problem(place: Place, least_free_bytes: int = LEAST_FREE_BYTES) -> str | None:
    """Say why a tape could not be written, as far as can be seen without writing it; None: it could."""
    if not isinstance(place, Path):
        # Of a server nothing is seen from here; its outages are told when a commit meets one.
        return None
    found = next(path for path in (place, *place.absolute().parents) if path.exists())
    if not os.access(found, os.W_OK):
        return f"{found} may not be written"
    free = shutil.disk_usage(found).free
    return f"{free} bytes are free at {found}" if free < least_free_bytes else None


@asynccontextmanager
async def beating(health: Health, clock: LiveClock, stop: asyncio.Event) -> AsyncIterator[None]:
    """Tell `health` while inside that the event loop runs, what the feeds are like, and that the end came.

    Args:
        health: Is told.
        clock: The run's.
        stop: Set when the run is to end.
    """

    async def beat() -> None:
        """Tell it, for ever."""
        while True:
            health.beat(clock.now_ms())
            if stop.is_set():
                health.stop()
            await asyncio.sleep(BEAT_S)

    async with beside(beat()):
        yield


def committing(health: Health, commit: LiveCommit) -> LiveCommit:
    """Return `commit`, whose end `health` is told of."""

    def told(batches: Sequence[BatchRecord], snapshot: Snapshot | None, diagnostics: Diagnostics) -> None:
        try:
            commit(batches, snapshot, diagnostics)
        except Exception as error:
            health.note_commit(error)
            raise
        health.note_commit()

    return told


@contextmanager
def served(health: Health, server: "MetricsServer | None") -> Iterator[None]:
    """Have every scrape ask, while inside, what was found, check by check: right even if the run hangs."""
    if server is not None:
        server.watch_at_once(
            "health_ok", lambda: {(name,): float(check.ok) for name, check in health.readiness().items()}
        )
    yield
    if server is not None:
        # What lingers after a run is neither well nor ill.
        server.watch_at_once("health_ok", dict)


def pages_of(health: Health) -> Mapping[str, "Page"]:
    """Return what is served of it, by path."""
    return {"/healthz": _page(health.progress), "/readyz": _page(health.readiness)}


def _page(ask: Callable[[], Checks]) -> "Page":
    def page() -> tuple[bool, bytes]:
        checks = ask()
        said = {"ok": all_well(checks), "reasons": ills(checks), "checks": checks}
        return all_well(checks), msgspec.json.encode(said) + b"\n"

    return page
