"""Serves a run's newest figures to Prometheus, each scrape a whole and consistent set."""

import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from threading import Thread
from types import TracebackType
from typing import Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from adapters.prometheus.families import FAMILIES, STAGE_SECONDS
from adapters.prometheus.family import PREFIX, Family
from daemon.errors import MetricsError
from daemon.ports import Figures

STAGE_BUCKETS_S: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.15,
    0.25,
    0.5,
    1,
    2,
    5,
    10,
    30,
)
"""From one minute of one instrument to a chunk of thousands; 0.15 s and 2 s are promises for live minutes."""

Probe = Callable[[], float]
Series = Mapping[tuple[str, ...], Probe]
Answers = Mapping[tuple[str, ...], float]

Page = Callable[[], tuple[bool, bytes]]
"""Returns whether all is well (200, else 503) and a JSON text; called on a thread of the server's."""

_KNOWN: Final = {family.name: family for family in FAMILIES}


class MetricsServer(Collector):
    """Answers scrapes with the figures it was last given. Use it as a context manager: it serves inside.

    A series that is not among the newest figures is gone from the next scrape on.

    Args:
        host: Address to serve on.
        port: Port; 0 takes a free one.
        probes: By family without labels: what is asked at each scrape, so that it is right even if the run
            hangs. One that fails has no series in that scrape.
        pages: What else is answered, by path.
    """

    def __init__(
        self, host: str, port: int, probes: Mapping[str, Probe], pages: Mapping[str, Page] | None = None
    ) -> None:
        self._host = host
        self._pages = pages or {}
        self._wanted_port = port
        self._probes: dict[str, Series] = {name: {(): probe} for name, probe in probes.items()}
        self._askers: dict[str, Callable[[], Answers]] = {}
        self._figures: Figures = {}
        self.port = port
        """Where it serves, once it does."""
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        disable_created_metrics()  # type: ignore[no-untyped-call]  # series that nobody asks for
        self._stages = Histogram(
            PREFIX + STAGE_SECONDS,
            _KNOWN[STAGE_SECONDS].meaning,
            _KNOWN[STAGE_SECONDS].labels,
            registry=self._registry,
            buckets=STAGE_BUCKETS_S,
        )

    def watch(self, name: str, series: Series) -> None:
        """Ask these at each scrape too: a family's series by their label values."""
        self._probes[name] = series

    def watch_also(self, name: str, series: Series) -> None:
        """Ask these at each scrape beside those of the family that are asked already."""
        self._probes[name] = {**self._probes.get(name, {}), **series}

    def watch_at_once(self, name: str, ask: Callable[[], Answers]) -> None:
        """Ask this at each scrape too: it returns a family's series by their label values, found together."""
        self._askers[name] = ask

    def publish(self, figures: Figures) -> None:
        """Let scrapes see these figures, all of them at once, and nothing of the ones before.

        Raises:
            KeyError: A family is not in `FAMILIES`.
        """
        for name in figures:
            _KNOWN[name]
        self._figures = figures

    def timed(self, stage: str) -> AbstractContextManager[object]:
        """Return a context whose duration is counted for a stage. For any thread."""
        return self._stages.labels(stage).time()

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the families have names of their own and are not checked against each other."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield all families but the histograms, which speak for themselves; called by each scrape."""
        # Others may come to be watched meanwhile: this is a scrape's own thread.
        probes, askers = tuple(self._probes.items()), tuple(self._askers.items())
        figures = {**self._figures, **{name: _asked(series) for name, series in probes}}
        for name, ask in askers:
            with suppress(OSError):
                figures[name] = ask()
        for family in FAMILIES:
            if family.name in figures:
                yield _metric(family, figures[family.name])

    def _application(self) -> WSGIApplication:
        """Return what answers the pages by their paths, and every other path with metrics."""
        metrics: WSGIApplication = make_wsgi_app(self._registry)

        def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            page = self._pages.get(environ["PATH_INFO"])
            if page is None or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
                return metrics(environ, start_response)
            well, content = page()
            start_response(
                "200 OK" if well else "503 Service Unavailable",
                [
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(content))),
                    ("Cache-Control", "no-store"),
                ],
            )
            return [content] if environ["REQUEST_METHOD"] == "GET" else []

        return application

    def __enter__(self) -> Self:
        """Begin to serve.

        Raises:
            MetricsError: The address is in use, or not this machine's.
        """
        try:
            self._server = _listening(self._host, self._wanted_port, self._application())
        except (OSError, OverflowError) as error:
            raise MetricsError(
                f"metrics: cannot serve on {self._host}:{self._wanted_port}: {error}. Choose another address "
                "with --serve [HOST:]PORT or in the section `metrics` of the settings."
            ) from error
        self.port = int(self._server.server_port)
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _SilentHandler(WSGIRequestHandler):
    """Logs no request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name for it
        """Log nothing."""


def _listening(host: str, port: int, application: WSGIApplication) -> WSGIServer:
    """Return a server that listens, a thread for each request.

    Raises:
        OSError: The address cannot be had.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    kind = type("Server", (ThreadingWSGIServer,), {"address_family": found[0][0]})
    return make_server(host, port, application, kind, handler_class=_SilentHandler)


def _asked(series: Series) -> dict[tuple[str, ...], float]:
    """Return what probes answer; a file may vanish or a disk fail between two scrapes."""
    answers = {}
    for labels, probe in series.items():
        with suppress(OSError):
            answers[labels] = probe()
    return answers


def _metric(family: Family, series: Mapping[tuple[str, ...], float]) -> Metric:
    """Return the family's newest series."""
    if family.kind == "info":
        info = InfoMetricFamily(family.full_name.removesuffix("_info"), family.meaning)
        for values in series:
            info.add_metric((), dict(zip(family.labels, values, strict=True)))
        return info
    made: GaugeMetricFamily | CounterMetricFamily
    if family.kind == "counter":
        made = CounterMetricFamily(family.full_name, family.meaning, labels=family.labels)
    else:
        made = GaugeMetricFamily(family.full_name, family.meaning, labels=family.labels)
    for values, value in series.items():
        made.add_metric(values, value)
    return made
