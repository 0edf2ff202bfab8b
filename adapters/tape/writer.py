"""The one writer of a tape. What one call is given stands on the tape whole afterwards, or not at all."""

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from adapters.tape import schema
from adapters.tape.beginning import begin
from adapters.tape.checksums import row_checksum
from adapters.tape.connection import (
    REVISION,
    explained,
    is_blank,
    open_for_writing,
    require_ours,
    require_this_version,
    revision_of,
    transaction,
)
from adapters.tape.diagnostics import insert as insert_diagnostics
from adapters.tape.group import GroupRows
from adapters.tape.lock import WriterLock
from adapters.tape.migrate import migrate
from adapters.tape.reader import SqliteTapeReader
from adapters.tape.statements import insertion, replacement
from adapters.tape.universe import Universe
from daemon.diagnostics import NO_DIAGNOSTICS, Diagnostics
from daemon.errors import (
    MACHINE_ERRNOS,
    BrokenBoundError,
    TapeDamagedError,
    TapeError,
    TapePlaceError,
    TapeVersionError,
)
from daemon.events import BatchRecord, EventRecord, Instrument, Snapshot
from daemon.ports import TapeWriter
from daemon.snapshot import encode_snapshot

_NEVER: Final = -(2**62)
"""A minute before all others."""


class SqliteTapeWriter(TapeWriter):
    """Writes the tape at `path`; makes the file where there is none.

    A fresh tape is begun once (`begin`), then grows by `append`; one that is `begun` already just grows.
    To be used by one thread at a time.

    Raises:
        TapeInUseError: Another process writes it.
        TapeVersionError: The file is no tape or one of another version.
        TapeDamagedError: Its pages cannot be read.
        TapePlaceError: No file can be there.
        TapeError: The folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tip: tuple[int, bytes] | None = None
        self._universe = Universe.first(())
        self._last_minute = _NEVER
        _make_folder(path)
        self._lock = WriterLock(path)
        self._is_new = not path.exists()
        try:
            self._connection = open_for_writing(path)
        except BaseException:
            self._lock.release()
            raise
        try:
            self._prepare_schema()
            self._recall()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """The tape's file."""
        return self._path

    @property
    def begun(self) -> bool:
        """Whether the run's header is on the tape."""
        return self._tip is not None

    @property
    def tip(self) -> tuple[int, bytes]:
        """Number and digest of the newest batch; before any, 0 and the digest that the chain starts from."""
        if self._tip is None:
            message = f"the end of the tape {self._path} was asked for before it was begun"
            raise BrokenBoundError(message)
        return self._tip

    def begin(
        self,
        header: Mapping[str, str],
        instruments: Sequence[Instrument],
        model_version: str,
        files: Mapping[str, bytes],
        *,
        warmup: Iterable[bytes] = (),
        warmup_seq: int = 1,
        events: Iterable[EventRecord] = (),
    ) -> bytes:
        """Write what the run is made of, in one transaction; return the digest that its chain starts from.

        `model_version` and a digest of `events` join the header, so the chain covers them.

        Args:
            header: What the run is made of, by name (see `TapeReader.header`).
            instruments: Sorted by name; their position is their id.
            model_version: The version of the bundle that trades from the start.
            files: That bundle.
            warmup: Packed `BAR_RECORD` blocks ascending by (minute, instrument), flagged `BAR_FLAG_WARMUP`.
            warmup_seq: Sequence number of the `Warmup` among `events`.
            events: Inputs from before the first decided minute, ascending by seq. They are asked for after
                the last block of `warmup`, so a generator can state its digest.

        Raises:
            TapeError: Nothing of it is on the tape; says why.
        """
        if self.begun:
            message = f"the tape {self._path} is begun a second time"
            raise BrokenBoundError(message)
        with explained(self._path), transaction(self._connection):
            begin(
                self._connection,
                {**header, "model_version": model_version},
                instruments,
                files,
                warmup=(warmup_seq, warmup),
                events=events,
            )
            genesis = SqliteTapeReader(self._path, self._connection).genesis()
            self._insert_tip(0, genesis)
        self._recall()
        return genesis

    def append(
        self,
        batches: Sequence[BatchRecord],
        snapshot: Snapshot | None = None,
        diagnostics: Diagnostics = NO_DIAGNOSTICS,
    ) -> None:
        """Commit a group of batches, and the snapshot after its last one where there is one.

        Args:
            batches: They follow the tape's newest batch without a gap; their digests are set.
            snapshot: The state after the last of them (after the newest on the tape, if there are none).
            diagnostics: What is kept beside them.

        Raises:
            TapeError: The group is not on the tape; the error says why (full disk, ...).
        """
        number, digest = self.tip
        group = GroupRows.of(batches, number, self._last_minute, self._universe)
        if batches:
            number, digest = batches[-1].batch, batches[-1].digest
        if snapshot is not None and snapshot.batch != number:
            message = (
                f"a snapshot after batch {snapshot.batch} came with a group that ends with batch {number}"
            )
            raise BrokenBoundError(message)
        with explained(self._path), transaction(self._connection):
            for table, rows in group.rows():
                self._connection.executemany(insertion(table), rows)
            if snapshot is not None:
                content = encode_snapshot(snapshot)
                checksum = row_checksum("snapshot", (number, content))
                self._connection.execute(replacement(schema.snapshot), (number, content, checksum))
            insert_diagnostics(self._connection, diagnostics, group.universe)
            self._insert_tip(number, digest)
        # Only what is committed is remembered: after a refused group the same group can be tried again.
        self._tip = (number, digest)
        self._universe = group.universe
        self._last_minute = batches[-1].minute if batches else self._last_minute

    def close(self) -> None:
        """Fold the write-ahead log into the file and release the tape. Harmless when called twice.

        A file that this writer made and that was never begun is removed.
        """
        # A reader may hold the log; then the last one to close folds it.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        if self._is_new and not self.begun:
            # Whatever kept the run from beginning, it shall not leave a tape on which there is nothing.
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(OSError):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _prepare_schema(self) -> None:
        with explained(self._path):
            blank = is_blank(self._connection)
            if blank:
                self._connection.execute("PRAGMA journal_mode=WAL")
            else:
                require_ours(self._connection, self._path)
            if blank or revision_of(self._connection) < REVISION:
                migrate(self._connection)
        require_this_version(self._connection, self._path)

    def _recall(self) -> None:
        """Find where the tape ends."""
        reader = SqliteTapeReader(self._path, self._connection)
        self._tip = reader.tip()
        if self._tip is None:
            return
        self._universe = reader.universe_after(self._tip[0])
        newest = reader.last_batch()
        if (newest.batch if newest else 0) != self._tip[0]:
            what = "its last batches are missing; restore a copy, or replay it anew"
            message = f"the tape {self._path} is damaged: {what}"
            raise TapeDamagedError(message)
        self._last_minute = newest.minute if newest else _NEVER

    def _insert_tip(self, number: int, digest: bytes) -> None:
        row = (1, number, digest)
        self._connection.execute(replacement(schema.tip), (*row, row_checksum("tip", row)))


def _make_folder(path: Path) -> None:
    if path.is_dir():
        message = f"{path} is a folder; name a file for the tape"
        raise TapeVersionError(message)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        kind = TapeError if error.errno in MACHINE_ERRNOS else TapePlaceError
        message = f"the folder {path.parent} of the tape cannot be made: {error.strerror}; name another tape"
        raise kind(message) from error
