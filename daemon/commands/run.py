"""`papertape run`: live bars through the engine, for months."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._place import place_told, tape_option
from daemon.commands._serving import serve_option, serving
from daemon.commands._settings import config_option

if TYPE_CHECKING:
    from adapters.tape.place import Place


@click.command()
@config_option
@click.option("--model", help="models:/NAME@ALIAS, models:/NAME/VERSION or a folder; default: model.uri.")
@tape_option
@serve_option
@click.option(
    "--dry-connect",
    "dry",
    is_flag=True,
    help="Only try the venues: addresses, symbols, history, clocks. Needs no model and no tape.",
)
def command(
    config_file: Path | None,
    model: str | None,
    told: "Place | None",
    serve: tuple[str | None, int] | None,
    *,
    dry: bool,
) -> None:
    """Trade live on paper: subscribe to the venues' streams, decide every minute, write the tape.

    A new run fetches the history that its features need before the first minute it decides. Stopped by
    SIGTERM or Ctrl-C it finishes the minute at hand, leaves a snapshot and ends with 0. Started again, it
    goes on where its tape ends, however it ended: missed minutes come from history, marked `catch_up`.

    A change of the settings file is applied between two minutes, or refused whole with all its problems;
    SIGHUP reads it again.

    With --dry-connect it says what it finds at the venues and ends: 0 all is well, 1 a venue cannot be
    reached or its clock is not ours, 2 a symbol is not known.
    """
    from daemon.commands._settings import open_source

    source = open_source(config_file, serve)
    settings = source.settings
    if dry:
        from daemon.commands._dry_connect import dry_connect

        raise click.exceptions.Exit(dry_connect(settings))
    from daemon.commands._exchanges import clock_and_feeds
    from daemon.commands._health import health_of, pages_of
    from daemon.commands._live import run_live

    clock, make_feed = clock_and_feeds(settings)
    tape = place_told(told, settings.tape)
    health = health_of(settings, tape)
    with serving(settings.metrics, tape, pages_of(health)) as server:
        uri = model or settings.model.uri
        asyncio.run(run_live(settings, uri, make_feed, clock, tape, server, health, source))
