"""`papertape pack`: a LightGBM model that was trained elsewhere, made ready for papertape."""

import re
from pathlib import Path

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


@click.command()
@click.option(
    "--model",
    "model_file",
    required=True,
    type=click.Path(path_type=Path),
    help="LightGBM's text model, as Booster.save_model writes it: classifier, binary or regressor.",
)
@click.option(
    "--features",
    help="What its columns are called here, in its order: names with commas, or a file of names. "
    "Default: the model's own names.",
)
@training_options
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    model_file: Path,
    features: str | None,
    bar_files: tuple[Path, ...],
    config_file: Path | None,
    first: int | None,
    until: int | None,
    name: str | None,
    alias: str | None,
    out: Path | None,
) -> None:
    """Make a bundle of a LightGBM model that was trained elsewhere.

    The recorded bars calibrate it: give bars that come after all that it was trained on.
    """
    settings = open_settings(config_file)
    from daemon.commands._bars import open_bars
    from daemon.commands._formulas import read_formulas
    from daemon.training.pack import FinishedModel, pack

    model = FinishedModel(_content(model_file), _names(features))
    source = open_bars(bar_files, settings)
    name, alias = place_of(settings, name, alias)
    demand_place(settings, name, out)
    with shown_progress() as progress:
        bundle = pack(
            model,
            source,
            settings,
            name=name,
            span=(first, None if until is None else until - 1),
            formulas=read_formulas(settings.features.formulas),
            outside=outside(settings),
            progress=progress,
        )
    losses = {key.rpartition(".")[2]: value for key, value in bundle.metrics.items() if "log_loss" in key}
    told = ", ".join(f"{expert} {loss:.4f}" for expert, loss in losses.items())
    click.echo(f"calibrated on {bundle.metrics['calibration.rows']:,.0f} labels; log-loss there: {told}")
    click.echo(f"edge: {bundle.metrics['edge.slope']:.0%} of what the blend predicted was realised there")
    place = keep(dated(bundle), settings, name, alias, out, parameters_of(settings, bundle))
    click.echo(f"model: {place}")


def _content(file: Path) -> bytes:
    from daemon.errors import BundleError

    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: the model cannot be read: {error.strerror}") from error


def _names(features: str | None) -> tuple[str, ...]:
    """Return the names that --features lists, or those in the file it names; none where it was not given."""
    if features is None:
        return ()
    file = Path(features)
    text = file.read_text(encoding="utf-8") if file.is_file() else features
    lines = (line.partition("#")[0] for line in text.splitlines())
    return tuple(word for line in lines for word in re.split(r"[\s,]+", line) if word)
