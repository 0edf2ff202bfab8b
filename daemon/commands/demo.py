"""`papertape demo`: the main job on a simulated market, with nothing needed from outside."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from daemon.commands._serving import serve_option, serving, with_metrics

if TYPE_CHECKING:
    from daemon.settings import Settings

DEFAULT_MINUTES: Final = 23_040
"""Sixteen days: fourteen to learn from, two to trade."""

TRAINING_SHARE: Final = 7 / 8
GOOD_SHARE: Final = 0.6
"""Share of the traded part that lies before the regime change."""

VENUE: Final = "binance"
"""Whose protocol the simulated exchange speaks."""

LEAST_MINUTES: Final = 7_200


@click.command()
@click.option(
    "--minutes",
    default=DEFAULT_MINUTES,
    show_default=True,
    type=click.IntRange(min=LEAST_MINUTES),
    help="Simulated minutes.",
)
@click.option("--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Of the market.")
@click.option(
    "--out",
    "folder",
    default=Path("var/demo"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where model, tape and report go; an earlier demo there is replaced.",
)
@serve_option
def command(minutes: int, seed: int, folder: Path, serve: tuple[str | None, int] | None) -> None:
    """Train on seven eighths of a simulated market of 8 instruments and paper-trade the rest, live.

    The rest comes from a simulated exchange in this process, over its websocket and REST, as fast as it is
    worked off; what trades is `papertape run`. The market has a small predictable part, which turns against
    the model before the end: the regime change.
    """
    from adapters.registry import FolderStore
    from adapters.simulator.market import SimulatedMarket
    from adapters.tape.lock import WriterLock
    from adapters.tape.reader import TapeReader
    from daemon.commands._demo import trade
    from daemon.commands._report import report as whole_report
    from daemon.commands._report import write_page
    from daemon.commands._settings import open_settings
    from daemon.commands._training import shown_progress
    from daemon.commands.train import report
    from daemon.training.train import train

    tape, store = folder / "demo.tape", FolderStore(folder / "model")
    # What would fail at the end fails now, before anything is trained.
    store.demand_writable()
    if tape.exists():
        WriterLock(tape).release()
    settings = demo_settings(with_metrics(open_settings(None), serve))
    learned = int(minutes * TRAINING_SHARE)
    change = learned + int((minutes - learned) * GOOD_SHARE)
    market = SimulatedMarket(seed, n_minutes=minutes, regime_change_minute=change, venue=VENUE)
    first_traded = market.first_minute + learned
    with serving(settings.metrics, tape) as server:
        with shown_progress() as progress:
            result = train(market, settings, name="demo", span=(None, first_traded - 1), progress=progress)
        click.echo(report(result))
        # By the market's clock: the same words give the same model, the same tape, the same digest.
        files = replace(result.bundle, trained_at=60 * first_traded).to_files()
        store.register("demo", None, files, {})
        for leftover in folder.glob(f"{tape.name}*"):
            leftover.unlink()
        click.echo(f"trading on paper; the regime changes {change - learned:,} minutes into it\n")
        trade(settings, market, first_traded, str(folder / "model"), tape, server)
    page = folder / "report.html"
    with TapeReader(tape) as reader:
        write_page(whole_report(reader, settings.model.registry), page)
    click.echo(f"tape: {tape} (papertape verify {tape})", err=True)
    click.echo(f"report: {page} (for a browser)", err=True)


def demo_settings(settings: "Settings") -> "Settings":
    """Return the settings of a demo: the defaults, a model that is trained in seconds."""
    return type(settings).model_validate(
        {
            **settings.model_dump(),
            "run": {**settings.run.model_dump(), "name": "demo"},
            "features": {**settings.features.model_dump(), "groups": ["twenty"]},
            "experts": {
                **settings.experts.model_dump(),
                "trees": {
                    **settings.experts.trees.model_dump(),
                    "rounds": 60,
                    "leaves": 7,
                    "min_leaf_rows": 1000,
                },
            },
            "training": {**settings.training.model_dump(), "folds": 1},
        }
    )
