"""What was in force when a batch was decided: the version of the model, its experts, the instruments.

A version's experts are the columns of its decisions.
"""

import json
from bisect import bisect_right
from typing import Final

from adapters.tape.reader import TapeReader
from adapters.tape.records import event_of
from adapters.tape.universe import Universe
from daemon import chain
from daemon.events import ModelChanged, UniverseChanged, model_subject

_CHANGES: Final = "SELECT * FROM event WHERE kind = ? AND batch > 0 ORDER BY seq"
_REFUSED: Final = "SELECT count(*) FROM refusal WHERE batch = ? AND subject = ?"


class Models:
    """The versions of the model that decided batches: the header's, until an event brought in another.

    Of batches that were pruned it may know fewer versions than there were.

    Attributes:
        changes: (batch, version), ascending: from that batch on the version decided. Without those that were
            refused.
        experts: By version, in the order of the decisions' columns.
    """

    def __init__(self, reader: TapeReader) -> None:
        header = reader.header()
        first, experts = header["model_version"], tuple(json.loads(header["experts"]))
        self.changes: list[tuple[int, str]] = [(0, first)]
        self.experts: dict[str, tuple[str, ...]] = {first: experts}
        for row in reader.rows(_CHANGES, (ModelChanged.__name__,)):
            event, number = chain.read_event(event_of(row)), int(row[1])
            if isinstance(event, ModelChanged):
                # Refused ones leave the tape with the batch that says so.
                ((refused,),) = reader.fetch(_REFUSED, (number, model_subject(event.version)))
                if not refused:
                    self.changes.append((number, event.version))
                    self.experts[event.version] = event.experts or experts
        self._starts = [number for number, _ in self.changes]

    def version_at(self, number: int) -> str:
        """Return the version that decided a batch."""
        return self.changes[bisect_right(self._starts, number) - 1][1]

    def experts_at(self, number: int) -> tuple[str, ...]:
        """Return the experts whose words a batch's decisions hold."""
        return self.experts[self.version_at(number)]


class Universes:
    """The instruments of any batch; read once for as long as they stay the same."""

    def __init__(self, reader: TapeReader) -> None:
        self._reader = reader
        self._starts = [0, *(int(row[1]) for row in reader.rows(_CHANGES, (UniverseChanged.__name__,)))]
        self._known: dict[int, Universe] = {}

    def names_at(self, number: int) -> tuple[str, ...]:
        """Return the names of a batch's instruments, in the order of their columns."""
        since = self._starts[bisect_right(self._starts, number) - 1]
        if since not in self._known:
            self._known[since] = self._reader.universe_after(since)
        return self._known[since].names
