"""Copying a tape and bringing it up to this version's schema, by hand."""

from pathlib import Path

from adapters.host.progress import Progress
from adapters.tape.backup import backup
from adapters.tape.place import Place, ServerPlace
from adapters.tape.reader import TapeReader
from adapters.tape.schema import REVISION
from adapters.tape.sqlite_file import revision_of
from adapters.tape.writer import TapeWriter
from daemon.errors import TapePlaceError, TapeVersionError


def copied(place: Place, target: Path, *, force: bool) -> str:
    """Copy a tape and say what was copied.

    Raises:
        TapePlaceError: It is on a server, or no file can be there; says what to do.
        TapeError: It cannot be copied.
    """
    if isinstance(place, ServerPlace):
        raise TapePlaceError(
            f"the tape {place} is on PostgreSQL, which copies it itself, also beside its writer: pg_dump "
            f"--format=custom --schema={place.schema} --file={target} and the database; pg_restore brings it "
            "back"
        )
    with Progress("copying pages", 0) as progress:
        backup(place, target, lambda done, of: progress.tell("copying pages", done, of), force=force)
    if (revision := revision_of(target)) == REVISION:
        with TapeReader(target) as reader:
            number, digest = reader.demand_begun()
        what = f"up to batch {number:,}, digest {digest.hex()}"
    else:
        what = f"of schema {revision}"
    return f"{target}: {what}, {target.stat().st_size:,} bytes"


def migrated(place: Place) -> str:
    """Bring a tape up and say from where.

    Raises:
        TapeVersionError: There is no tape, or one that cannot be brought up.
        TapeError: A run writes it, or it cannot be written.
    """
    if isinstance(place, ServerPlace):
        with TapeWriter(place) as tape:
            if not tape.begun:
                raise TapeVersionError(f"there is no tape at {place}")
        return f"{place}: of schema {REVISION}"
    found = revision_of(place)
    with TapeWriter(place):
        pass
    if found == REVISION:
        return f"{place}: of schema {REVISION} already"
    return f"{place}: brought up from schema {found} to {REVISION}"
