"""How late the event loop is: what waits for it waits so much longer."""

import asyncio
from typing import Final

EVERY_S: Final = 0.25
"""Between two looks: a loop that is held up for longer is seen whatever the moment."""

KEPT: Final = 240
"""Looks that are remembered: a minute, longer than between two scrapes."""


class LoopLag:
    """Sleeps a little again and again, and remembers by how much it was woken late.

    Read `worst_s` from any thread: it knows of a loop that is held up now.
    """

    def __init__(self) -> None:
        self._late_s = [0.0] * KEPT
        self._looks = 0
        self._due_s: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def watch(self) -> None:
        """Look, for ever."""
        self._loop = loop = asyncio.get_running_loop()
        try:
            while True:
                due_s = self._due_s = loop.time() + EVERY_S
                await asyncio.sleep(EVERY_S)
                self._late_s[self._looks % KEPT] = max(0.0, loop.time() - due_s)
                self._looks += 1
        finally:
            # A loop that has ended is not late.
            self._due_s = None

    def worst_s(self) -> float:
        """Return the worst of the last minute that it watched, in seconds; 0 before it does."""
        loop, due_s = self._loop, self._due_s
        return max(self._late_s if loop is None or due_s is None else (*self._late_s, loop.time() - due_s))
