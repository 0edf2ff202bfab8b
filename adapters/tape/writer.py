"""The one writer of a tape. What one call is given stands on the tape whole afterwards, or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from adapters.tape import schema
from adapters.tape.beginning import begin
from adapters.tape.checksums import row_checksum
from adapters.tape.database import WritableDatabase
from adapters.tape.diagnostics import insert as insert_diagnostics
from adapters.tape.group import GroupRows
from adapters.tape.models import keep_those_of
from adapters.tape.opening import open_for_writing
from adapters.tape.outages import Outages
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.undoing import undone_by
from adapters.tape.universe import Universe
from daemon import ports
from daemon.diagnostics import NO_DIAGNOSTICS, Diagnostics
from daemon.errors import BrokenBoundError, TapeDamagedError
from daemon.events import BatchRecord, EventRecord, Instrument, Snapshot
from daemon.snapshot import encode_snapshot

_NEVER: Final = -(2**62)
"""A minute before all others."""


class TapeWriter(ports.TapeWriter):
    """Writes the tape at `place`; makes it where there is none.

    A fresh tape is begun once (`begin`), then grows by `append`; one that is `begun` already just grows.
    To be used by one thread at a time.

    Attributes:
        outages: Those of the tape's server, which `append` waits out.

    Raises:
        TapeInUseError: Another process writes it.
        TapeVersionError: What is there is no tape or one of another version.
        TapeDamagedError: Its pages cannot be read.
        TapePlaceError: No tape can be there.
        TapeError: It cannot be written there.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._tip: tuple[int, bytes] | None = None
        self._universe = Universe.first(())
        self._last_minute = _NEVER
        self._database = open_for_writing(place)
        self.outages = Outages(self._database)
        with undone_by(self.close):
            self._recall()

    @property
    def place(self) -> Place:
        """Where the tape is."""
        return self._place

    @property
    def database(self) -> WritableDatabase:
        """What holds it, for those of this package that write beside this class."""
        return self._database

    @property
    def begun(self) -> bool:
        """Whether the run's header is on the tape."""
        return self._tip is not None

    @property
    def tip(self) -> tuple[int, bytes]:
        """Number and digest of the newest batch; before any, 0 and the digest that the chain starts from."""
        if self._tip is None:
            message = f"the end of the tape {self._place} was asked for before it was begun"
            raise BrokenBoundError(message)
        return self._tip

    @property
    def names(self) -> tuple[str, ...]:
        """The run's instruments after the newest batch, sorted."""
        return self._universe.names

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
            message = f"the tape {self._place} is begun a second time"
            raise BrokenBoundError(message)
        with self._database.transaction():
            begin(
                self._database,
                {**header, "model_version": model_version},
                instruments,
                files,
                warmup=(warmup_seq, warmup),
                events=events,
            )
            genesis = TapeReader(self._place, self._database).genesis()
            self._insert_tip(0, genesis)
        self._recall()
        return genesis

    def append(
        self,
        batches: Sequence[BatchRecord],
        snapshot: Snapshot | None = None,
        diagnostics: Diagnostics = NO_DIAGNOSTICS,
        models: Mapping[str, ports.Files] | None = None,
    ) -> None:
        """Commit a group of batches, and the snapshot after its last one where there is one.

        Args:
            batches: They follow the tape's newest batch without a gap; their digests are set.
            snapshot: The state after the last of them (after the newest on the tape, if there are none).
            diagnostics: What is kept beside them.
            models: Bundles by version, for the `ModelChanged` among their events.

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
        state = () if snapshot is None else (number, encode_snapshot(snapshot))

        def write() -> None:
            with self._database.transaction():
                for table, rows in group.rows():
                    self._database.insert(table, rows)
                keep_those_of(self._database, batches, models or {})
                if state:
                    self._database.replace(schema.snapshot, [(*state, row_checksum("snapshot", state))])
                insert_diagnostics(self._database, diagnostics, group.universe)
                self._insert_tip(number, digest)

        self.outages.durably(write, lambda: self._stands((number, digest), state))
        # Only what is committed is remembered: after a refused group the same group can be tried again.
        self._tip = (number, digest)
        self._universe = group.universe
        self._last_minute = batches[-1].minute if batches else self._last_minute

    def close(self) -> None:
        """Release the tape. Harmless when called twice.

        One that this writer made and that was never begun is removed: whatever kept the run from beginning,
        it shall not leave a tape on which there is nothing.
        """
        self.outages.close()
        if self.begun:
            self._database.close()
        else:
            self._database.abandon()

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _recall(self) -> None:
        """Find where the tape ends."""
        reader = TapeReader(self._place, self._database)
        self._tip = reader.tip()
        if self._tip is None:
            return
        self._universe = reader.universe_after(self._tip[0])
        newest = reader.last_batch()
        if (newest.batch if newest else 0) != self._tip[0]:
            what = "its last batches are missing; restore a copy, or replay it anew"
            message = f"the tape {self._place} is damaged: {what}"
            raise TapeDamagedError(message)
        self._last_minute = newest.minute if newest else _NEVER

    def _stands(self, tip: tuple[int, bytes], state: tuple[object, ...]) -> bool:
        """Whether a group was committed whose commit was not answered.

        Args:
            tip: Where the tape ends with it.
            state: Number and content of its snapshot, or nothing.

        Raises:
            TapeDamagedError: The tape ends elsewhere than it ended, and than it would end.
        """
        found = TapeReader(self._place, self._database).tip()
        if found not in {tip, self._tip}:
            ends = "was never begun" if found is None else f"ends with batch {found[0]}"
            what = f"the server came back with another tape, which {ends}; restore the newest copy"
            message = f"the tape {self._place} is damaged: {what}"
            raise TapeDamagedError(message)
        if tip != self._tip:
            return found == tip
        # A group without batches: a snapshot at the run's end.
        kept = self._database.fetch("SELECT batch, content FROM snapshot WHERE batch = ?", (tip[0],))
        return bool(state) and kept == [state]

    def _insert_tip(self, number: int, digest: bytes) -> None:
        row = (1, number, digest)
        self._database.replace(schema.tip, [(*row, row_checksum("tip", row))])
