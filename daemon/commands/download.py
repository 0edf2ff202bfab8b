"""`papertape download`: a venue's history as a file of bars."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import click

from daemon.commands._when import When

if TYPE_CHECKING:
    from adapters.exchanges.feed import ExchangeFeed
    from adapters.files.downloads import Download
    from daemon.feed import BarClosed

SPAN_MINUTES: Final = 1_440
"""A part of the download: a day, from midnight UTC to midnight."""

Span = tuple[str, int, int]
"""Instrument, first and last minute."""


@click.command()
@click.argument("venue")
@click.argument("symbols", nargs=-1, required=True)
@click.option("--from", "first", type=When(), required=True, help="First minute (UTC).")
@click.option("--to", "until", type=When(), help="End, excluded; default: now.")
@click.option(
    "--out", "file", type=click.Path(path_type=Path, dir_okay=False), help="Default: VENUE.parquet."
)
@click.option("--history-url", help="Another address than the venue's own (scheme and host).")
@click.option("--dry-run", is_flag=True, help="Only say what would be asked for.")
def command(
    venue: str,
    symbols: tuple[str, ...],
    first: int,
    until: int | None,
    file: Path | None,
    history_url: str | None,
    *,
    dry_run: bool,
) -> None:
    """Fetch the minute bars of SYMBOLS (as VENUE writes them) into one Parquet file.

    A download that was stopped goes on where it ended when it is started again. Minutes that the venue has no
    bar for are absent, those that it keeps no more are named; the minute that runs is never taken.
    """
    from adapters.clock import SystemClock
    from adapters.exchanges.catalogue import venue_of
    from adapters.exchanges.feed import ExchangeFeed
    from adapters.files.downloads import Download
    from daemon.errors import UserError
    from daemon.vitals.moment import clock

    known = venue_of(venue, history_url=history_url)
    last = min(until if until is not None else 1 << 40, int(SystemClock().epoch_s() // 60)) - 1
    if last < first:
        raise UserError(f"there is no minute from {clock(first)} to {clock(last + 1)} UTC that is over")
    names = [f"{venue}:{symbol}" for symbol in dict.fromkeys(symbols)]
    spans = [
        (name, max(first, day), min(last, day + SPAN_MINUTES - 1))
        for name in names
        for day in range(first - first % SPAN_MINUTES, last + 1, SPAN_MINUTES)
    ]
    out = file or Path(f"{venue}.parquet")
    click.echo(
        f"{len(names)} instruments of {venue}, {clock(first)} to {clock(last)} UTC: "
        f"{len(names) * (last - first + 1):,} minutes -> {out}"
    )
    if dry_run:
        return
    # Only waits are drawn from it.
    feed = ExchangeFeed(known, symbols, SystemClock(), Random())  # noqa: S311 - nothing is secret here
    download = Download(out)
    asyncio.run(_fetch(feed, download, spans))
    click.echo(f"{download.finish(spans):,} bars in {out}")


async def _fetch(feed: "ExchangeFeed", download: "Download", spans: Sequence[Span]) -> None:
    """Fetch every span that is not kept yet."""
    from adapters.host.progress import Progress

    with Progress("days of bars", len(spans)) as progress:
        for done, (name, first, last) in enumerate(spans, start=1):
            if not download.has(name, first, last):
                download.keep(name, first, last, await _bars(feed, name, first, last))
            progress.reach(done)


async def _bars(feed: "ExchangeFeed", name: str, first: int, last: int) -> Sequence["BarClosed"]:
    """Return the bars of a span, or of what is left of it at the venue."""
    from daemon.errors import HistoryTooOldError
    from daemon.vitals.moment import clock

    while first <= last:
        try:
            return await feed.history(name, first, last)
        except HistoryTooOldError as error:
            click.echo(f"{name}: the venue keeps nothing before {clock(error.first_minute)} UTC", err=True)
            # The oldest of now may be gone when it is asked for.
            first = error.first_minute + 1
    return ()
