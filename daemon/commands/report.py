"""`papertape report`: what a run came to, from its tape alone."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._place import TapePlace
from daemon.commands._settings import config_option

if TYPE_CHECKING:
    from adapters.tape.place import Place


@click.command()
@click.argument("tape", type=TapePlace())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page for a browser to this file: one file, no address outside it.",
)
@click.option("--benchmark", help="Instrument of alpha and beta (default: features.benchmark, or the first).")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Models tried before this one was chosen, itself included, for the deflated Sharpe ratio (default: "
    "the runs of the model's experiment in model.registry).",
)
@config_option
def command(
    tape: "Place",
    page: Path | None,
    benchmark: str | None,
    trials: int | None,
    config_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Report on the run of TAPE: returns, ratios, costs, trades and experts; ends in the verdict.

    Ratios come from daily returns (UTC days), each with a 95 % interval; below 30 days they are withheld.
    The run's settings are those on its tape; of --config only model.registry is asked for trials.
    """
    import json
    import sys

    from adapters.host.terminal import print_summary
    from adapters.tape.reader import TapeReader
    from daemon.commands._report import report, write_page
    from daemon.commands._settings import open_settings

    settings = open_settings(config_file)
    with TapeReader(tape) as reader:
        made = report(reader, settings.model.registry, benchmark, trials)
    if page is not None:
        write_page(made, page)
        click.echo(f"report: {page}", err=True)
    if as_json:
        click.echo(json.dumps(made.to_plain(), allow_nan=False))
    else:
        print_summary(sys.stdout, made.panels(), made.verdict)
