"""What a run shows and tells must not end it: whatever fails there is counted, and logged the first time."""

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer


class Surviving:
    """A context that no failure leaves. May be entered again, also from within.

    Args:
        sink: What it is part of, as in the log and in `papertape_sink_drops_total`.

    Attributes:
        drops: How often something failed.
    """

    def __init__(self, sink: str) -> None:
        self.drops = 0
        self._sink = sink

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Swallow what is an error; an interrupt is none."""
        if not isinstance(error, Exception):
            return False
        self.drops += 1
        if self.drops == 1:
            import structlog  # `papertape --help` needs none, and it is slow to import

            structlog.get_logger().error("sink_failed", sink=self._sink, exc_info=error)
        return True

    def shown_by(self, server: "MetricsServer") -> None:
        """Let scrapes see how often it was."""
        server.watch_also("sink_drops_total", {(self._sink,): lambda: float(self.drops)})
