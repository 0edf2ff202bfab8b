"""The model a command works with, and what of it comes from outside its bundle."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

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


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to trade, and the files that it is made of."""

    model: RunModel
    files: Files


def open_model(uri: str, settings: Settings, instruments: Sequence[Instrument]) -> LoadedModel:
    """Load a model from the registry or a folder and make it ready.

    Raises:
        ModelNotFoundError: There is no such model.
        BundleError: It is damaged, or does not fit this version.
        SettingsError: Its signals file cannot be read.
    """
    from adapters.registry import open_store

    version, files = open_store(uri, settings.model.registry).load(uri)
    signals = settings.experts.signals
    if signals.enabled and signals.file:
        files = {**files, SIGNALS_FILE: _read(Path(signals.file))}
    return from_files(version, files, settings, instruments)


def from_files(
    version: str, files: Files, settings: Settings, instruments: Sequence[Instrument]
) -> LoadedModel:
    """Make a model ready from its files alone, as a tape keeps them."""
    bundle = Bundle.from_files(files)
    outside = Outside(expert_factories(settings.experts.entry_points), _signals(files, settings))
    names = tuple(instrument.name for instrument in instruments)
    return LoadedModel(assemble(version, bundle, settings, names, outside), files)


def expert_factories(names: Sequence[str]) -> Mapping[str, ExpertFactory]:
    """Return what makes the experts of these entry points.

    Raises:
        SettingsError: No installed package provides one of them.
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
    return {name: found[name].load() for name in names}


def _signals(files: Files, settings: Settings) -> Mapping[str, object] | None:
    if SIGNALS_FILE not in files:
        return None
    from adapters.files.signals_file import read_signals

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SIGNALS_FILE
        path.write_bytes(files[SIGNALS_FILE])
        return read_signals(path, settings.universe.venue)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"experts.signals.file: {path}: {error.strerror}"]) from error
