"""What signals do while an event loop runs: SIGINT and SIGTERM end a run in an orderly way."""

import asyncio
import os
import signal
from collections.abc import Callable


def on_signals(halt: Callable[[], object]) -> list[signal.Signals]:
    """Have SIGINT and SIGTERM call `halt` on the running event loop.

    Returns:
        A list that will hold the signals that came, oldest first.
    """
    caught: list[signal.Signals] = []

    def heed(number: signal.Signals) -> None:
        caught.append(number)
        halt()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, heed, number)
    return caught


def on_hangup(reread: Callable[[], object], end: Callable[[], object]) -> None:
    """Have SIGHUP call `reread` on the running event loop, or `end` where it says that the terminal is gone.

    Who closes the window in which a run was started wants it to end, as without a handler.
    """
    terminals = _terminals()

    def heed() -> None:
        if terminals and not _terminals():
            end()
        else:
            reread()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heed)


def _terminals() -> list[int]:
    """Return which of stdin, stdout and stderr are on a terminal; one that is gone is none."""
    return [number for number in range(3) if os.isatty(number)]
