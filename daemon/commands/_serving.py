"""Serving a run's figures to Prometheus: the option `--serve`, and the sink that feeds the server."""

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from daemon.commands._surviving import Surviving

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from adapters.prometheus.server import MetricsServer, Page
    from adapters.tape.place import Place
    from daemon.commands._figures import Meter
    from daemon.events import BatchRecord, Snapshot
    from daemon.ports import WallClock
    from daemon.settings import MetricsSettings, Settings

REFRESH_S: Final = 1.0
"""Figures with intervals cost milliseconds: they are made no more often than this."""

SINK: Final = "prometheus"

Function = TypeVar("Function", bound=Callable[..., object])


class Address(click.ParamType[tuple[str | None, int]]):
    """`PORT`, `HOST:PORT` or `[IPv6]:PORT`, as (host or None, port)."""

    name = "[HOST:]PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str | None, int]:
        """Read the words of the command line."""
        match = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+):)?(?P<port>[0-9]{1,5})", str(value))
        if match is None or int(match["port"]) > 65_535:
            self.fail(f"{value!r} is no [HOST:]PORT, for example 9477 or 127.0.0.1:9477", param, ctx)
        host = match["host"]
        return (None if host is None else host.strip("[]")), int(match["port"])


def serve_option(function: Function) -> Function:
    """Give a command the option `--serve [HOST:]PORT`, as its argument `serve`."""
    return click.option(
        "--serve",
        type=Address(),
        help="Serve figures for Prometheus at /metrics while it runs; without HOST as metrics.host says.",
    )(function)


def with_metrics(settings: "Settings", serve: tuple[str | None, int] | None) -> "Settings":
    """Return the settings with metrics served where `--serve` says, if it was given."""
    if serve is None:
        return settings
    host, port = serve
    told = {"enabled": True, "port": port, **({} if host is None else {"host": host})}
    return settings.model_copy(update={"metrics": settings.metrics.model_copy(update=told)})


class Feed:
    """Carries figures from a run to the server; a failure of it is counted and logged, the run goes on.

    Args:
        server: Answers scrapes.
        meter: Makes the figures.
        clock: Tells moments, and when figures are due.

    Attributes:
        surviving: Counts what could not be shown.
    """

    def __init__(self, server: "MetricsServer", meter: "Meter", clock: "WallClock") -> None:
        self._server = server
        self._meter = meter
        self._clock = clock
        self._due_s = clock.monotonic_s()
        self._committed_s: float | None = None
        self._snapshot_s: float | None = None
        # Settings are read once, before this.
        self._reloaded_s = clock.epoch_s()
        self.surviving = Surviving(SINK)

    def note_commit(self, snapshot: "Snapshot | None") -> None:
        """Say that batches, and perhaps a snapshot, are durable now."""
        self._committed_s = self._clock.epoch_s()
        if snapshot is not None:
            self._snapshot_s = self._committed_s

    def see(self, batches: Sequence["BatchRecord"]) -> None:
        """Take batches that are durable; the sink."""
        with self.surviving:
            self._meter.see(batches)
            if self._clock.monotonic_s() >= self._due_s:
                self._publish()

    def publish(self) -> None:
        """Let scrapes see the figures as they are now."""
        with self.surviving:
            self._publish()

    def show_drops_of(self, other: Surviving) -> None:
        """Let scrapes see what another sink failed to take."""
        other.shown_by(self._server)

    def timed(self, stage: str) -> AbstractContextManager[object]:
        """Return a context whose duration counts for the stage."""
        return self._server.timed(stage)

    def linger(self, seconds: float) -> None:
        """Go on serving, so that the last figures are scraped too; an interrupt ends it."""
        self.publish()
        if seconds > 0.0:
            with suppress(KeyboardInterrupt):
                _log().info("metrics_linger", seconds=seconds, hint="Ctrl-C ends it")
                time.sleep(seconds)

    def _publish(self) -> None:
        self._due_s = self._clock.monotonic_s() + REFRESH_S
        moments = {
            "last_commit": self._committed_s,
            "last_snapshot": self._snapshot_s,
            "last_good_reload": self._reloaded_s,
        }
        figures = dict(self._meter.figures())
        figures |= {f"{name}_timestamp_seconds": {(): at} for name, at in moments.items() if at is not None}
        self._server.publish(figures)


def _log() -> "FilteringBoundLogger":
    import structlog  # `papertape --help` needs none, and it is slow to import

    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


@contextmanager
def serving(
    settings: "MetricsSettings", place: "Place", pages: "Mapping[str, Page] | None" = None
) -> Iterator["MetricsServer | None"]:
    """Answer scrapes while inside, if the settings say so: first of the disk alone, then what a feed brings.

    Enter it before there is a tape: an address that cannot be had must leave nothing behind.

    Args:
        settings: Where.
        place: The tape; the disk of a file is watched.
        pages: What else is answered, by path.

    Raises:
        MetricsError: The address cannot be had.
    """
    if not settings.enabled:
        yield None
        return
    from adapters.prometheus.server import MetricsServer

    with MetricsServer(settings.host, settings.port, probes_of(place), pages) as server:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        _log().info("metrics", url=f"http://{host}:{server.port}/metrics")
        yield server


def feed_for(server: "MetricsServer", meter: "Meter", clock: "WallClock") -> Feed:
    """Return what carries a run's figures to the server, having carried the first."""
    feed = Feed(server, meter, clock)
    feed.surviving.shown_by(server)
    feed.publish()
    return feed


def probes_of(place: "Place") -> dict[str, Callable[[], float]]:
    """Return what a scrape asks of the disk: the tape's size, its log included, and what is free.

    Of a tape on a server nothing: how much room it has is the server's to say.
    """
    if not isinstance(place, Path):
        return {}

    def tape_bytes() -> float:
        files = place.parent.glob(f"{place.name}*")
        return float(sum(file.stat().st_size for file in files))

    return {
        "tape_bytes": tape_bytes,
        "disk_free_bytes": lambda: float(shutil.disk_usage(place.parent).free),
    }
