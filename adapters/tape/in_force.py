"""Which version of the model decided which batch: the header's, until an event brought in another.

A version's experts are the columns of its decisions.
"""

import json
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from adapters.tape.reader import TapeReader
from adapters.tape.records import event_of
from daemon import chain
from daemon.events import ModelChanged, model_subject

_CHANGES: Final = "SELECT * FROM event WHERE kind = ? AND batch > ? ORDER BY seq"
_REFUSED: Final = "SELECT count(*) FROM refusal WHERE batch = ? AND subject = ?"


def changes_of_model(reader: TapeReader) -> list[tuple[int, str]]:
    """Return (batch, version), ascending: from that batch on the version decided.

    The first stands for all batches before the next; of a pruned tape it is the one that its oldest snapshot
    names. Versions that were refused are not among them.
    """
    pruned = reader.pruned()
    if pruned is None:
        found = [(0, reader.header()["model_version"])]
    else:
        found = [(0, str(reader.oldest_snapshot().state["model"]))]
    for row in reader.rows(_CHANGES, (ModelChanged.__name__, pruned.batch if pruned else 0)):
        event, number = chain.read_event(event_of(row)), int(row[1])
        if isinstance(event, ModelChanged):
            ((refused,),) = reader.fetch(_REFUSED, (number, model_subject(event.version)))
            if not refused:
                found.append((number, event.version))
    return found


def models_in_force(reader: TapeReader) -> Callable[[int], str]:
    """Return a function from batch numbers to the version that decided them."""
    changes = changes_of_model(reader)
    starts = [number for number, _ in changes]

    def of(number: int) -> str:
        return changes[bisect_right(starts, number) - 1][1]

    return of


def experts_in_force(reader: TapeReader) -> Callable[[int], tuple[str, ...]]:
    """Return a function from batch numbers to the experts whose words their decisions hold, in order."""
    version, experts = models_in_force(reader), experts_of_versions(reader)

    def of(number: int) -> tuple[str, ...]:
        return experts[version(number)]

    return of


def experts_of_versions(reader: TapeReader) -> dict[str, tuple[str, ...]]:
    """Return the experts of every version of the model that the tape names, that of its header first."""
    header = reader.header()
    first = tuple(json.loads(header["experts"]))
    found = {header["model_version"]: first}
    for row in reader.rows(_CHANGES, (ModelChanged.__name__, 0)):
        event = chain.read_event(event_of(row))
        if isinstance(event, ModelChanged):
            found[event.version] = event.experts or first
    return found
