"""What was begun and fails is undone: a lock or a connection that is left behind keeps everyone else out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def undone_by(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` if the block fails, an interrupt included; the failure goes on."""
    try:
        yield
    except BaseException:  # not only errors: who presses Ctrl-C wants the tape free as well
        undo()
        raise
