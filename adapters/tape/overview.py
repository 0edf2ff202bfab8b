"""What is on a tape, in a few figures."""

from dataclasses import dataclass

from adapters.tape.in_force import Models
from adapters.tape.reader import TapeReader

_COUNTS = {
    "bars": "SELECT count(*) FROM bar",
    "warm-up bars": "SELECT count(*) FROM bar WHERE (flags & 2) <> 0",
    "decided minutes": "SELECT count(*) FROM batch",
    "orders": "SELECT count(*) FROM paper_order",
    "fills": "SELECT count(*) FROM fill",
    "events": "SELECT count(*) FROM event",
    "state changes": "SELECT count(*) FROM state_change",
    "vital changes": "SELECT count(*) FROM vital_change",
    "refusals": "SELECT count(*) FROM refusal",
    "snapshots": "SELECT count(*) FROM snapshot",
    "unapplied bars": "SELECT count(*) FROM revision",
    "indications": "SELECT count(*) FROM indication",
}
_RANGE = (
    "SELECT (SELECT minute FROM batch ORDER BY number LIMIT 1), "
    "(SELECT minute FROM batch ORDER BY number DESC LIMIT 1)"
)


@dataclass(frozen=True, slots=True)
class Overview:
    """Figures of one tape.

    Attributes:
        run: Name of the run; empty if its header has none.
        model_version: The version that trades.
        model_changes: How often another version came to trade.
        instruments: Names of the instruments after the newest batch.
        departed: Names of those that left.
        pruned_batches: How many batches retention took away; they were the first ones.
        first_minute: Epoch minute of the first decided minute that is left, None if there is none.
        last_minute: That of the last.
        counts: Rows by what they are.
        equity: The account's equity after the last minute, as text; None if there is none.
        quote: The currency it is in.
        digest: The newest digest, hexadecimal.
        size_bytes: The room it takes, logs and indices included.
    """

    run: str
    model_version: str
    model_changes: int
    instruments: tuple[str, ...]
    departed: tuple[str, ...]
    pruned_batches: int
    first_minute: int | None
    last_minute: int | None
    counts: dict[str, int]
    equity: str | None
    quote: str
    digest: str
    size_bytes: int

    @property
    def bytes_per_bar(self) -> float:
        """Size over all bars; 0 if there is none."""
        return self.size_bytes / self.counts["bars"] if self.counts["bars"] else 0.0


def overview(reader: TapeReader) -> Overview:
    """Look at a tape.

    Raises:
        TapeVersionError: It was never begun.
        TapeDamagedError: Something of it cannot be read.
    """
    tip = reader.demand_begun()
    header, instruments, universe = reader.header(), reader.instruments(), reader.universe_after(tip[0])
    ((first, last),) = reader.fetch(_RANGE, ())
    newest, pruned = reader.last_batch(), reader.pruned()
    models = Models(reader).changes
    return Overview(
        run=header.get("name", ""),
        model_version=models[-1][1],
        model_changes=len(models) - 1,
        instruments=universe.names,
        departed=tuple(sorted(universe.known.keys() - set(universe.names))),
        pruned_batches=pruned.batch if pruned else 0,
        first_minute=first,
        last_minute=last,
        counts={name: int(reader.fetch(statement, ())[0][0]) for name, statement in _COUNTS.items()},
        equity=str(newest.book.equity) if newest else None,
        quote=instruments[0].quote if instruments else "",
        digest=tip[1].hex(),
        size_bytes=reader.database.size_bytes(),
    )
