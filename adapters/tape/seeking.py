"""Where on a tape to begin: the batch before a minute, and how far back windows reach."""

from itertools import islice
from typing import Final

import numpy as np

from adapters.tape.cells import MalformedCellError
from adapters.tape.database import Database
from daemon.events import BAR_FLAG_REFUSED
from daemon.kernels import IntArray

_BARS_BACKWARDS: Final = """
    SELECT minute, instrument FROM bar
    WHERE minute <= ? AND (flags & ?) = 0 ORDER BY minute DESC, instrument DESC
"""
_SLICE: Final = 32_768


def batch_before(database: Database, minute: int) -> int:
    """Return the number of the newest batch of an earlier minute than `minute`, or 0.

    Where batches were pruned, the newest of those stands for what is not there. Numbers and minutes rise
    together, so halving finds it and no index is kept for it.
    """
    low: int
    high: int
    ends = "SELECT coalesce(min(number) - 1, 0), coalesce(max(number), 0) FROM batch"
    ((low, high),) = database.fetch(ends)
    while low < high:
        middle = (low + high + 1) // 2
        found = database.fetch("SELECT minute FROM batch WHERE number = ?", (middle,))
        if found and found[0][0] < minute:
            low = middle
        else:
            high = middle - 1
    return low


def first_needed(database: Database, minute: int, n_rows: int, ids: IntArray) -> int:
    """Return the latest minute from which on each instrument has its newest `n_rows` bars up to `minute`.

    Bars that were refused do not count. Of an instrument that has fewer, all are needed.

    Args:
        database: The tape.
        minute: Look back from here.
        n_rows: At least 1.
        ids: Of the instruments.

    Raises:
        MalformedCellError: A bar cannot be read.
    """
    missing = dict.fromkeys(ids.tolist(), n_rows)
    first = minute
    backwards = database.stream(_BARS_BACKWARDS, (minute, BAR_FLAG_REFUSED))
    while missing and (rows := list(islice(backwards, _SLICE))):
        if not all(type(at) is int and type(key) is int for at, key in rows):
            raise MalformedCellError("bar.minute or bar.instrument holds something that is no integer")
        minutes, keys = np.array(rows, dtype=np.int64).T
        for key, n in list(missing.items()):
            own = minutes[keys == key]
            if len(own):
                first = min(first, int(own[min(n, len(own)) - 1]))
            missing[key] = n - len(own)
            if missing[key] <= 0:
                del missing[key]
    return first
