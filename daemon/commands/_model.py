"""The model a command works with, and the files that a run takes in beside its bundle."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, cast

from daemon.errors import SettingsError
from daemon.events import Instrument
from daemon.models.bundle import Bundle
from daemon.models.expert import ExpertFactory
from daemon.ports import Files
from daemon.run_model import Outside, RunModel, assemble
from daemon.settings import Settings

EXPERTS: Final = "papertape.experts"
"""Entry-point group of experts from other packages."""

SIGNALS_FILE: Final = "signals.parquet"
"""Under this name a run's signals stand on its tape beside the bundle's files."""

FUNDING_FILE: Final = "funding.parquet"
"""Under this name a run's funding stands there."""

RUN_FILES: Final = {
    SIGNALS_FILE: "signals (experts.signals.file)",
    FUNDING_FILE: "funding (costs.funding_file)",
}
"""What a tape keeps beside the bundle's files, of the version that traded from the start alone."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to trade.

    Attributes:
        model: It.
        files: What it is made of, and the run's other files beside its bars.
        funding: Columns of the funding file, where the settings name one.
    """

    model: RunModel
    files: Files
    funding: Mapping[str, object] | None = None


def open_model(uri: str, settings: Settings, instruments: Sequence[Instrument]) -> LoadedModel:
    """Load a model from the registry or a folder and make it ready.

    Raises:
        ModelNotFoundError: There is no such model.
        BundleError: It is damaged, or does not fit this version.
        SettingsError: The signals or funding file cannot be read, or has no funding of any instrument.
    """
    from adapters.registry import open_store

    version, files = open_store(uri, settings.model.registry).load(uri)
    return with_run_files(version, files, settings, instruments)


def with_run_files(
    version: str, files: Files, settings: Settings, instruments: Sequence[Instrument]
) -> LoadedModel:
    """Make a bundle ready together with the files that the settings name.

    Raises:
        BundleError: It is damaged, or does not fit this version.
        SettingsError: The signals or funding file cannot be read, or has no funding of any instrument.
    """
    signals = settings.experts.signals
    if signals.enabled and signals.file:
        files = {**files, SIGNALS_FILE: _read(Path(signals.file), "experts.signals.file")}
    if settings.costs.funding_file is not None:
        files = {**files, FUNDING_FILE: _read(Path(settings.costs.funding_file), "costs.funding_file")}
    loaded = from_files(version, files, settings, instruments)
    if loaded.funding is not None:
        _demand_known(loaded.funding, instruments)
    return loaded


def from_files(
    version: str, files: Files, settings: Settings, instruments: Sequence[Instrument]
) -> LoadedModel:
    """Make a model ready from its files alone, as a tape keeps them.

    Raises:
        BundleError: They are damaged, or do not fit this version.
        SettingsError: The settings name a file that is not among them, or it cannot be read.
    """
    bundle = Bundle.from_files(files)
    outside = Outside(expert_factories(settings.experts.entry_points), _signals(files, settings))
    names = tuple(instrument.name for instrument in instruments)
    model = assemble(version, bundle, settings, names, outside)
    return LoadedModel(model, files, _funding(files, settings))


def expert_factories(names: Sequence[str]) -> Mapping[str, ExpertFactory]:
    """Return what makes the experts of these entry points.

    Raises:
        SettingsError: No installed package provides one of them, or it cannot be imported.
    """
    found = {point.name: point for point in entry_points(group=EXPERTS)}
    missing = [name for name in names if name not in found]
    if missing:
        there = ", ".join(sorted(found)) or "none"
        raise SettingsError(
            [
                f"experts.entry_points: no installed package provides {name!r} (there is: {there}); "
                "install it in papertape's environment"
                for name in missing
            ]
        )
    return {name: _loaded(found[name]) for name in names}


def _loaded(point: EntryPoint) -> ExpertFactory:
    """Import what an entry point names."""
    try:
        factory: ExpertFactory = point.load()
    except Exception as error:  # a stranger's module may raise anything while it is imported
        reason = f"({point.value}) cannot be imported: {type(error).__name__}: {error}"
        raise SettingsError([f"experts.entry_points: {point.name!r} {reason}"]) from error
    return factory


def _signals(files: Files, settings: Settings) -> Mapping[str, object] | None:
    if SIGNALS_FILE not in files:
        return None
    from adapters.files.signals_file import read_signals

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SIGNALS_FILE
        path.write_bytes(files[SIGNALS_FILE])
        return read_signals(path, settings.universe.venue)


def _funding(files: Files, settings: Settings) -> Mapping[str, object] | None:
    source = settings.costs.funding_file
    if source is None:
        return None
    if FUNDING_FILE not in files:
        raise SettingsError([f"costs.funding_file: {source} is set, but {FUNDING_FILE} is not there"])
    from adapters.files.funding_file import read_funding

    return read_funding(files[FUNDING_FILE], source, settings.universe.venue)


def _demand_known(funding: Mapping[str, object], instruments: Sequence[Instrument]) -> None:
    """Refuse a file with no event of any instrument: it writes their names otherwise, or is another one."""
    there = cast("list[str]", funding["instrument"])
    ours = [instrument.name for instrument in instruments]
    if set(there).isdisjoint(ours):
        problem = f"it has no event of any instrument of the run ({_some(ours)})"
        if there:
            problem += f", only of {_some(sorted(set(there)))}; write them as the run does"
        raise SettingsError([f"costs.funding_file: {problem}"])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{setting}: {path}: {error.strerror}"]) from error
