"""What signals do while an event loop runs: SIGINT and SIGTERM end a run in an orderly way."""

import asyncio
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


def on_hangup(call: Callable[[], object]) -> None:
    """Have SIGHUP call something on the running event loop."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, call)
