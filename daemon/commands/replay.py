"""`papertape replay`: recorded bars through the whole engine, onto a tape."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._place import place_told, tape_option
from daemon.commands._serving import serve_option, serving, with_metrics
from daemon.commands._settings import config_option
from daemon.commands._when import When

if TYPE_CHECKING:
    from adapters.tape.place import Place


@click.command()
@click.option(
    "--bars",
    "bar_files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Parquet or CSV.",
)
@config_option
@click.option("--model", help="models:/NAME@ALIAS, models:/NAME/VERSION or a folder; default: model.uri.")
@click.option(
    "--from", "first", type=When(), help="First decided minute (UTC); earlier bars warm the features."
)
@click.option("--to", "until", type=When(), help="Decide minutes before this one (UTC).")
@tape_option
@serve_option
def command(
    bar_files: tuple[Path, ...],
    config_file: Path | None,
    model: str | None,
    first: int | None,
    until: int | None,
    told: "Place | None",
    serve: tuple[str | None, int] | None,
) -> None:
    """Play recorded minute bars through the whole engine: features, experts, policy, paper broker, tape.

    Stopped at any moment (even by kill -9) and started again with the same words, it goes on where its
    tape ends, and comes to the same digest.
    """
    from daemon.commands._bars import open_bars
    from daemon.commands._model import open_model
    from daemon.commands._replay import replay
    from daemon.commands._run import Run, machine
    from daemon.commands._settings import open_settings
    from daemon.vitals.groups import demand_known

    settings = with_metrics(open_settings(config_file), serve)
    source = open_bars(bar_files, settings)
    demand_known(settings, [instrument.name for instrument in source.instruments])
    loaded = open_model(model or settings.model.uri, settings, source.instruments)
    plan = loaded.model.plan
    start = first if first is not None else source.first_minute + plan.warmup_bars
    if not source.first_minute <= start <= source.last_minute:
        from daemon.errors import BarsError
        from daemon.vitals.moment import clock

        raise BarsError(
            f"--from {clock(start)} lies outside the bars, which go from {clock(source.first_minute)} to "
            f"{clock(source.last_minute)} UTC"
        )
    run = Run(settings, source, start, loaded.model, loaded.files, machine(), loaded.funding)
    end = source.last_minute + 1 if until is None else min(until, source.last_minute + 1)
    if end <= start:
        from daemon.errors import UserError
        from daemon.vitals.moment import clock

        raise UserError(f"there is nothing to decide: --to {clock(end)} is not after --from {clock(start)}")
    tape = place_told(told, settings.tape)
    if not (isinstance(tape, Path) and tape.exists()):
        # Mended bars are other bars, with which a tape does not go on: so none is begun before all are good.
        source.demand_good(start - plan.past_rows, end - 1)
    with serving(settings.metrics, tape) as server:
        replay(run, end, tape, server)
