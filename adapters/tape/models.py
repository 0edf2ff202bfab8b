"""The bundles that a run used, on its tape: files by the digest of their content, versions by their files."""

from collections.abc import Iterable, Mapping
from typing import Final

from adapters.tape import schema
from adapters.tape.checksums import row_checksum
from adapters.tape.database import WritableDatabase
from daemon import chain
from daemon.errors import BrokenBoundError
from daemon.events import BatchRecord, ModelChanged
from daemon.ports import Files

_HAS_FILE: Final = "SELECT count(*) FROM model_file WHERE hash = ?"
_HAS_VERSION: Final = "SELECT count(*) FROM model_version WHERE version = ?"


def hashes_of(files: Files) -> dict[str, str]:
    """Return the digest of each file's content, by name."""
    return {name: chain.content_digest(content) for name, content in files.items()}


def keep(database: WritableDatabase, version: str, files: Files) -> None:
    """Insert a version and those of its files that are not there yet; the caller holds the transaction."""
    hashes = hashes_of(files)
    for digest, content in {hashes[name]: content for name, content in files.items()}.items():
        if not _count(database, _HAS_FILE, digest):
            database.insert(schema.model_file, [(digest, content)])
    rows = [(version, name, digest) for name, digest in hashes.items()]
    checked = [(*row, row_checksum(schema.model_version.name, row)) for row in rows]
    database.insert(schema.model_version, checked)


def keep_those_of(
    database: WritableDatabase, batches: Iterable[BatchRecord], models: Mapping[str, Files]
) -> None:
    """Insert the bundles among `models` that events of these batches bring in and the tape has not.

    Raises:
        BrokenBoundError: An event tells of other files than its version has.
    """
    for event in (chain.read_event(e) for b in batches for e in b.events if e.kind == ModelChanged.__name__):
        if not isinstance(event, ModelChanged) or event.version not in models:
            continue
        if hashes_of(models[event.version]) != event.files:
            message = f"the event of model version {event.version} tells of other files than were given"
            raise BrokenBoundError(message)
        if not _count(database, _HAS_VERSION, event.version):
            keep(database, event.version, models[event.version])


def _count(database: WritableDatabase, statement: str, key: str) -> int:
    ((count,),) = database.fetch(statement, (key,))
    return int(count)
