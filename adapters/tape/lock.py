"""One writer per tape: an advisory lock on a small file beside it.

The kernel releases the lock when the process ends, however it ends, so a killed writer never locks its tape.
SQLite's own locks are held during a transaction only; this one is held for the whole run.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from daemon.errors import MACHINE_ERRNOS, TapeError, TapeInUseError, TapePlaceError

SUFFIX: Final = ".lock"


class WriterLock:
    """Held from construction to `release`.

    Raises:
        TapeInUseError: Another process (or another writer in this one) holds it; names the process.
        TapePlaceError: No file can be there (folder missing, not permitted).
        TapeError: The lock file cannot be made (disk full or read-only).
    """

    def __init__(self, tape: Path) -> None:
        self._path = tape.with_name(tape.name + SUFFIX)
        while True:
            descriptor = self._opened(tape)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                by = f"process {holder}" if holder else "another process"
                message = f"the tape {tape} is being written by {by}; stop it first or name another tape"
                raise TapeInUseError(message) from error
            # Its holder may have removed the file between our open and our lock: then the lock is on a ghost.
            if self._is_current(descriptor):
                break
            os.close(descriptor)
        self._descriptor: int | None = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError as error:
            self.release()
            raise _cannot_be_written(tape, error) from error

    def release(self) -> None:
        """Let others write. Harmless when called twice."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = None

    def _opened(self, tape: Path) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _cannot_be_written(tape, error) from error

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def _cannot_be_written(tape: Path, error: OSError) -> TapeError:
    remedy = "make room there" if error.errno == errno.ENOSPC else "make it writable"
    kind = TapeError if error.errno in MACHINE_ERRNOS else TapePlaceError
    return kind(
        f"the tape {tape} cannot be written: {error.strerror} ({tape.parent}); {remedy} or name another tape"
    )
