"""The versions of the model that a tape tells of, made ready again from its own files when they are due."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from daemon.commands._model import RUN_FILES, LoadedModel, from_files
from daemon.engine import Engine
from daemon.events import AnyEvent, Minutes, ModelChanged
from daemon.ports import Files
from daemon.settings import Settings

if TYPE_CHECKING:
    from adapters.tape.reader import TapeReader


def first_model(reader: "TapeReader") -> tuple[Settings, LoadedModel]:
    """Return the settings that a tape's run began with and the model that traded then, from the tape alone.

    Raises:
        TapeVersionError: The settings are of another version of papertape.
        BundleError: This papertape cannot make the model ready.
        TapeDamagedError: Something is not as it was written.
    """
    header = reader.header()
    settings = Settings.stored(header["settings"])
    version = header["model_version"]
    return settings, from_files(version, reader.model_files(), settings, reader.instruments())


class TapeModels:
    """Supplies an engine that goes through a tape again; the registry may be gone.

    Args:
        reader: The tape.
        settings: Of the run.
    """

    def __init__(self, reader: "TapeReader", settings: Settings) -> None:
        self._reader = reader
        self._settings = settings

    def files(self, version: str) -> Files:
        """Return a version's files with the run's own beside them; nothing of a version that is not there.

        Raises:
            TapeDamagedError: A file is not what its digest says.
        """
        own = self._reader.model_files(version)
        return {**own, **self.run_files()} if own else {}

    def run_files(self) -> Files:
        """Return the run's own files: signals and funding, as they were when it began.

        Raises:
            TapeDamagedError: As `files`.
        """
        return self._reader.model_files(only=RUN_FILES)

    def supply(self, engine: Engine, version: str) -> None:
        """Put a version into the engine's library, in place of what was there; one trades, one comes.

        Raises:
            BundleError: This papertape cannot make it ready.
            TapeDamagedError: As `files`.
        """
        if version in engine.library or version == engine.run.model.version:
            return
        files = self.files(version)
        if files:
            model = from_files(version, files, self._settings, engine.run.instruments).model
            engine.library = {version: model}

    def demand(self, engine: Engine, version: str) -> None:
        """Do as `supply`, for a version that has to be there: a snapshot names it.

        Raises:
            BundleError: This papertape cannot make it ready.
            TapeDamagedError: It is not on the tape, or not as it was.
        """
        self.supply(engine, version)
        if version not in engine.library and version != engine.run.model.version:
            raise self._reader.damage(f"version {version} of the model, which a snapshot names, is missing")

    def supplied(self, engine: Engine, items: Iterator[AnyEvent | Minutes]) -> Iterator[AnyEvent | Minutes]:
        """Yield the inputs, each change of the model after its version is in the engine's library."""
        for item in items:
            if isinstance(item, ModelChanged):
                self.supply(engine, item.version)
            yield item
