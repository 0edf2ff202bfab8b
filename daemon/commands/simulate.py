"""`papertape simulate`: a simulated exchange on loopback, for a daemon in another process."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from daemon.commands._settings import config_option
from daemon.commands._when import When

if TYPE_CHECKING:
    from adapters.simulator.exchange import SimulatedExchange
    from daemon.ports import BarSource

DEFAULT_MINUTES: Final = 43_200


@click.command()
@click.option(
    "--bars",
    "bar_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Parquet or CSV that the exchange trades again; default: a generated market.",
)
@config_option
@click.option(
    "--minutes",
    default=DEFAULT_MINUTES,
    show_default=True,
    type=click.IntRange(min=2),
    help="Minutes of the generated market.",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Of that market.")
@click.option(
    "--from",
    "first",
    type=When(),
    help="When the exchange's time begins (UTC); earlier bars are its history. Default: half of the bars.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0.01, max=100_000.0),
    help="Simulated seconds a second. Beyond 1 the daemon must follow its clock (feed.clock).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option(
    "--port",
    default=9479,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to serve on; 0 takes a free one.",
)
def command(
    bar_files: tuple[Path, ...],
    config_file: Path | None,
    minutes: int,
    seed: int,
    first: int | None,
    speed: float,
    host: str,
    port: int,
) -> None:
    """Serve a simulated exchange that speaks Binance's spot protocol, websocket and REST.

    It ends with its bars. Faults are made over a websocket, /papertape/control, with JSON such as
    {"fault": "silence", "for_s": 120, "symbols": ["ALFAUSDT"]}; {"fault": "?"} is answered with all kinds.
    """
    from daemon.commands._bars import open_bars
    from daemon.commands._settings import open_settings
    from daemon.errors import UserError
    from daemon.vitals.moment import clock

    source: BarSource
    settings = open_settings(config_file)
    if bar_files:
        source = open_bars(bar_files, settings)
    else:
        from adapters.simulator.market import SimulatedMarket

        source = SimulatedMarket(seed, n_minutes=minutes)
    start = first if first is not None else (source.first_minute + source.last_minute + 1) // 2
    if not source.first_minute <= start <= source.last_minute:
        raise UserError(
            f"--from {clock(start)} lies outside the bars, which go from {clock(source.first_minute)} to "
            f"{clock(source.last_minute)} UTC"
        )
    stopped_by = asyncio.run(_serve(source, start, speed, host, port))
    if stopped_by is not None:
        raise click.exceptions.Exit(128 + stopped_by)


async def _serve(
    source: "BarSource", start: int, speed: float, host: str, port: int
) -> signal.Signals | None:
    """Serve until the bars are over, or a signal comes; return it."""
    from adapters.simulator.book import Book
    from adapters.simulator.exchange import SimulatedExchange
    from adapters.simulator.pace import Pace
    from daemon.commands._signals import on_signals
    from daemon.errors import UserError
    from daemon.events import MINUTE_MS

    exchange = SimulatedExchange(
        Book(source), Pace(start * MINUTE_MS, speed), forming_every_s=max(2.0, speed / 20)
    )
    try:
        async with exchange.serving(host, port) as served:
            click.echo(f"websocket ws://{host}:{served}/stream   REST http://{host}:{served}/api/v3/")
            click.echo(
                f"clock     ws://{host}:{served}/papertape/clock   faults ws://{host}:{served}/papertape/control"
            )
            click.echo(f"{len(exchange.book.symbols)} instruments: {' '.join(exchange.book.symbols)}")
            passing = asyncio.ensure_future(_pass_time(exchange, start))
            stopped_by = on_signals(passing.cancel)
            with suppress(asyncio.CancelledError):
                await passing
    except OSError as error:
        raise UserError(
            f"nothing can be served at {host}:{port}: {error.strerror}. Name another --port."
        ) from error
    return next(iter(stopped_by), None)


async def _pass_time(exchange: "SimulatedExchange", start: int) -> None:
    """Let the exchange's time pass to the end of its bars, day by day."""
    import structlog

    from daemon.events import MINUTES_PER_DAY
    from daemon.vitals.moment import clock

    log, last = structlog.get_logger(), exchange.book.last_minute
    for first in range(start, last + 1, MINUTES_PER_DAY):
        log.info("simulating", minute=clock(first), speed=exchange.pace.speed)
        await exchange.run(min(first + MINUTES_PER_DAY - 1, last))
    log.info("simulated to the end", minute=clock(last))
