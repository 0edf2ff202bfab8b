"""What `train` and `pack` share: options, progress, where the model goes."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from daemon.commands._settings import config_option
from daemon.commands._when import When

if TYPE_CHECKING:
    from daemon.models.bundle import Bundle
    from daemon.run_model import Outside
    from daemon.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])
Progress = Callable[[str, int, int], None]


def training_options(function: Function) -> Function:
    """Give a command the options that say what to learn from and where the model goes."""
    options = (
        click.option(
            "--bars",
            "bar_files",
            multiple=True,
            required=True,
            type=click.Path(path_type=Path),
            help="Parquet or CSV; may be given several times.",
        ),
        config_option,
        click.option(
            "--from", "first", type=When(), help="First minute used (UTC); bars before it warm the features."
        ),
        click.option("--to", "until", type=When(), help="Use no bar from this minute (UTC) on."),
        click.option("--name", help="Register under this name (default: that of model.uri)."),
        click.option("--alias", help="Point this alias at it (default: that of model.uri)."),
        click.option("--out", type=click.Path(path_type=Path), help="Write a folder instead of registering."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def outside(settings: "Settings") -> "Outside":
    """Return the experts that come from entry points, and the signals."""
    from adapters.files.signals_file import read_signals
    from daemon.commands._model import expert_factories
    from daemon.run_model import Outside

    signals = settings.experts.signals
    read = signals.enabled and signals.file
    columns = read_signals(Path(signals.file), settings.universe.venue) if read and signals.file else None
    return Outside(expert_factories(settings.experts.entry_points), columns)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Show what a training does: bars on a terminal, one log line a step otherwise."""
    if not sys.stderr.isatty():
        yield _logged()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as Bars,
    )

    columns = (TextColumn("{task.description:<22}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def tell(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done)

        yield tell


def _logged() -> Progress:
    import structlog

    log = structlog.get_logger()
    told: set[tuple[str, bool]] = set()

    def tell(what: str, done: int, of: int) -> None:
        step = (what, done >= of)
        if step not in told:
            told.add(step)
            log.info(f"{what}: done" if step[1] else what)

    return tell


def keep(
    bundle: "Bundle",
    settings: "Settings",
    name: str,
    alias: str | None,
    out: Path | None,
    parameters: Mapping[str, str],
) -> str:
    """Write the bundle into a folder, or register it; return where it is to be found.

    Raises:
        UserError: The folder or registry cannot be used.
        StorageError: The disk is full, read-only or broken.
    """
    from adapters.registry import FolderStore, MlflowStore

    files, metrics = bundle.to_files(), bundle.metrics
    if out is not None:
        FolderStore(out).register(name, None, files, metrics)
        return str(out)
    version = MlflowStore(settings.model.registry).register(name, alias, files, metrics, parameters)
    return f"models:/{name}@{alias} (version {version})" if alias else f"models:/{name}/{version}"


def demand_place(settings: "Settings", name: str, out: Path | None) -> None:
    """Check that `keep` will find its place, before the model is made.

    Raises:
        UserError: The folder, the registry or the name cannot be used.
        StorageError: The disk is full, read-only or broken.
    """
    from adapters.registry import FolderStore, MlflowStore

    if out is not None:
        FolderStore(out).demand_writable()
    else:
        MlflowStore(settings.model.registry).demand_writable(name)


def dated(bundle: "Bundle") -> "Bundle":
    """Return the bundle with this moment as the one it was made at: training itself has no clock."""
    from adapters.clock import SystemClock

    return replace(bundle, trained_at=int(SystemClock().epoch_s()))


def place_of(settings: "Settings", name: str | None, alias: str | None) -> tuple[str, str | None]:
    """Return the name and alias to register under: what was given, else those of model.uri.

    Raises:
        ModelNotFoundError: model.uri is asked for and is no address.
    """
    from adapters.registry import demand_address, is_registered

    if name is not None:
        return name, alias  # none unless it is given: that of model.uri would be another model's
    uri = settings.model.uri
    usual = demand_address(uri) if is_registered(uri) else None
    if usual is None or usual.alias is None:
        return settings.run.name, alias
    return usual.name, alias or usual.alias


def parameters_of(settings: "Settings", bundle: "Bundle") -> dict[str, str]:
    """Return what is shown with the run in MLflow."""
    return {
        "seed": str(settings.run.seed),
        "instruments": str(len(bundle.reference)),
        "features": str(len(bundle.schema.names)),
        "schema": bundle.schema.hash[:12],
        "experts": ",".join(bundle.experts),
        **{f"range.{key}": _clock(minute) for key, minute in sorted(bundle.ranges.items())},
        **{f"labels.{key}": str(value) for key, value in sorted(bundle.labels.model_dump().items())},
        **{f"trees.{key}": str(value) for key, value in sorted(settings.experts.trees.model_dump().items())},
    }


def _clock(minute: int) -> str:
    from daemon.vitals.moment import clock

    return clock(minute)
