"""`papertape train`: recorded bars to a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.commands._settings import open_settings
from daemon.commands._training import (
    dated,
    demand_place,
    keep,
    outside,
    parameters_of,
    place_of,
    shown_progress,
    training_options,
)

if TYPE_CHECKING:
    from daemon.training.train import TrainingResult
    from daemon.training.walk_forward import FoldReport
    from daemon.vitals.intervals import Interval

FOLDS = (
    "walk-forward, days not seen in training; 95 % intervals\n"
    "(skill: log-loss of the base rate less the model's, in 0.001 nats; trades: after costs, all instruments)"
)
COLUMNS = (
    *("fold", "learned", "tested from", "to", "labels"),
    *("skill", "IC", "accuracy", "majority", "base", "last", "trades/day"),
)
NO_FOLDS = "no walk-forward folds: there are no trees, the range is too short, or training.folds is 0"


@click.command()
@training_options
def command(
    bar_files: tuple[Path, ...],
    config_file: Path | None,
    first: int | None,
    until: int | None,
    name: str | None,
    alias: str | None,
    out: Path | None,
) -> None:
    """Train a model on recorded minute bars, report how it did on days it had not seen, and register it.

    Trees learn from the first part of the range; calibration and the edge come from the last
    (training.calibration_share), on which the trees have never been.
    """
    settings = open_settings(config_file)
    from daemon.commands._bars import open_bars
    from daemon.commands._formulas import read_formulas
    from daemon.training.train import train

    source = open_bars(bar_files, settings)
    name, alias = place_of(settings, name, alias)
    demand_place(settings, name, out)
    with shown_progress() as progress:
        result = train(
            source,
            settings,
            name=name,
            span=(first, None if until is None else until - 1),
            formulas=read_formulas(settings.features.formulas),
            outside=outside(settings),
            progress=progress,
        )
    click.echo(report(result))
    bundle = dated(result.bundle)
    place = keep(bundle, settings, name, alias, out, parameters_of(settings, bundle))
    click.echo(f"model: {place}")


def report(result: "TrainingResult") -> str:
    """Return the training's summary as text."""
    from daemon.vitals.moment import clock

    bundle, metrics = result.bundle, result.bundle.metrics
    ranges = bundle.ranges
    bars = (
        f"{result.n_bars:,} bars of {len(bundle.reference)} instruments, "
        f"{clock(ranges['start'])} to {clock(ranges['end'])} UTC, {len(bundle.schema.names)} features"
    )
    learned = (
        f"trees learned from {result.n_rows:,} labels until {clock(ranges['trees_end'])}; "
        f"calibrated on {metrics['calibration.rows']:,.0f} from {clock(ranges['calibration_start'])}"
    )
    losses = ", ".join(
        f"{expert} {metrics[f'calibration.log_loss.{expert}']:.4f}" for expert in (*bundle.experts, "blend")
    )
    edge = f"edge: {metrics['edge.slope']:.0%} of what the blend predicted was realised there"
    folds = [FOLDS, *_table(result.folds)] if result.folds else [NO_FOLDS]
    lines = [
        bars,
        learned,
        "",
        *folds,
        "",
        f"log-loss on the calibration range (fitted there): {losses}",
        edge,
    ]
    return "\n".join(lines)


def _table(folds: Sequence["FoldReport"]) -> list[str]:
    rows = [COLUMNS, *(_row(fold) for fold in folds)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _row(fold: "FoldReport") -> tuple[str, ...]:
    from daemon.vitals.moment import clock

    figures = fold.figures
    return (
        str(fold.number),
        f"{fold.train_rows:,}",
        clock(fold.first_minute),
        clock(fold.last_minute),
        f"{fold.test_rows:,}",
        _with_interval(figures.skill_interval, 1e3, 1) or f"{1e3 * figures.skill:+.1f}",
        _with_interval(figures.ic, 1.0, 3) or "-",
        f"{figures.accuracy:.1%}",
        f"{figures.majority:.1%}",
        f"{figures.base_rate:.1%}",
        f"{figures.last:.1%}",
        f"{fold.trades_per_day:.1f}",
    )


def _with_interval(interval: "Interval | None", scale: float, digits: int) -> str:
    if interval is None:
        return ""
    mean, low, high = (
        f"{scale * value:+.{digits}f}" for value in (interval.mean, interval.low, interval.high)
    )
    return f"{mean} ({low} to {high})"
