"""Opens a tape by where it is."""

from adapters.tape import sqlite_file
from adapters.tape.database import Database, Place, WritableDatabase


def open_for_reading(place: Place) -> Database:
    """Open a tape to read it, also beside its writer.

    Raises:
        TapeVersionError: There is no tape, or one of another version.
        TapeDamagedError: Its pages cannot be read.
    """
    return sqlite_file.open_for_reading(place)


def open_for_writing(place: Place) -> WritableDatabase:
    """Open a tape, or make it, as its one writer; its schema is of this version then.

    Raises:
        TapeError: It cannot be; says why.
    """
    return sqlite_file.open_for_writing(place)
