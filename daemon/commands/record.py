"""`papertape record`: what the venues' streams give, as files of bars."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._settings import config_option

if TYPE_CHECKING:
    from daemon.ports import LiveClock
    from daemon.settings import Settings


@click.command()
@config_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder (one Parquet file a day), or a .parquet file that everything is joined into at the end.",
)
@click.option("--for", "minutes", type=click.IntRange(min=1), help="End after so many minutes.")
@click.option("--frames", is_flag=True, help="Keep every frame as it came, too, one a line.")
def command(config_file: Path | None, out: Path, minutes: int | None, *, frames: bool) -> None:
    """Store the final bars of universe.instruments as their venues send them; needs no model and no tape.

    What a stream did not bring is asked of the venue's history, also what was missed between two recordings
    with the same --out. SIGTERM or Ctrl-C end it with 0; a kill loses nothing that came. The recording goes
    into `replay --bars` and `simulate --bars`, a folder also while it is being made. With --frames there are
    frames/VENUE/DAY.jsonl and DAY.ts (when each came) in the folder, or in FILE.frames beside the file.
    """
    from daemon.commands._settings import open_settings

    settings = open_settings(config_file)
    n_bars = asyncio.run(_record(settings, out, minutes, frames=frames))
    click.echo(f"{n_bars:,} bars in {out}")


async def _record(settings: "Settings", out: Path, minutes: int | None, *, frames: bool) -> int:
    """Record until a signal comes or time is up; return how many bars the recording has."""
    from adapters.files.frame_log import FrameLog
    from adapters.files.recording import Recording
    from adapters.simulator.follower import FollowingClock
    from daemon.commands._exchanges import by_venue, clock_and_feeds
    from daemon.commands._record import Recorder
    from daemon.commands._signals import on_signals
    from daemon.commands._task_beside import beside

    names = by_venue(settings)
    stop = asyncio.Event()
    on_signals(stop.set)
    frames_folder = out.with_name(f"{out.name}.frames") if out.suffix else out / "frames"
    log = FrameLog(frames_folder) if frames else None
    clock, make_feed = clock_and_feeds(settings, log.take if log else None)
    feeds = {venue: make_feed(venue, of_venue) for venue, of_venue in names.items()}
    recording = Recording(out)
    try:
        async with AsyncExitStack() as stack:
            if isinstance(clock, FollowingClock):
                await stack.enter_async_context(clock.following())
            if minutes is not None:
                await stack.enter_async_context(beside(_end_after(minutes, clock, stop)))
            requests = settings.sealing.history_requests
            await Recorder(recording, feeds, names, clock, requests, log).run(stop)
    finally:
        n_bars = recording.finish()
        if log is not None:
            log.close()
    return n_bars


async def _end_after(minutes: int, clock: "LiveClock", stop: asyncio.Event) -> None:
    await clock.sleep(60.0 * minutes)
    stop.set()
