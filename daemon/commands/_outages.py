"""What is said while the server of a tape is away: in the log, to Prometheus, to who asks for health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from adapters.tape.outages import Outage
from adapters.tape.writer import TapeWriter
from daemon.commands._task_beside import beside
from daemon.live import Health

if TYPE_CHECKING:
    from adapters.prometheus.server import MetricsServer


def tell_outages(tape: TapeWriter, server: "MetricsServer | None", health: Health | None = None) -> None:
    """Say it from now on.

    Args:
        tape: Waits.
        server: Answers scrapes, also while the engine stands still.
        health: Is told that the engine waits, and so is not stuck.
    """
    outages = tape.outages

    def tell(outage: Outage) -> None:
        if health is not None:
            health.note_outage(None if outage.is_over else outage.reason)
        log, waited_s = structlog.get_logger(), round(outage.waited_s, 1)
        if outage.is_over:
            log.info("tape_back", tape=str(tape.place), waited_s=waited_s, retries=outage.retries)
        else:
            log.warning("tape_away", tape=str(tape.place), waited_s=waited_s, reason=outage.reason)

    outages.tell = tell
    if server is not None:
        server.watch("tape_waiting", {(): lambda: float(outages.is_waiting)})
        server.watch("tape_outages_total", {(): lambda: float(outages.count)})
        server.watch("tape_retries_total", {(): lambda: float(outages.retries)})


@asynccontextmanager
async def outlasting(
    tape: TapeWriter, stop: asyncio.Event, server: "MetricsServer | None", health: Health
) -> AsyncIterator[None]:
    """Say it while inside; and once `stop` is set, let the tape wait for its server but shortly."""
    tell_outages(tape, server, health)

    async def hear() -> None:
        """Pass the end on."""
        await stop.wait()
        tape.outages.hurry()

    async with beside(hear()):
        yield
