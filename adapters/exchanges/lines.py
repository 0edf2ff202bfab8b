"""The connections of a feed: its instruments, spread over as many lines as the venue's limit asks for."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

from adapters.exchanges.line import Line, Listener
from adapters.exchanges.pacing import Pacer
from adapters.exchanges.venue import Venue
from daemon.ports import LiveClock


class Lines:
    """Runs the lines of a feed.

    Instruments that join get a line of their own: nothing of the others is touched. One that leaves is left
    out of its line's next connection, which takes the open one's place without a gap; a line that nobody is
    left on is closed.

    Args:
        venue: What is peculiar to it.
        symbols: As the venue writes them, by `venue:SYMBOL`.
        listener: Whom the lines tell.
        clock: For waits and lifetimes.
        chance: For both.
    """

    def __init__(
        self, venue: Venue, symbols: Mapping[str, str], listener: Listener, clock: LiveClock, chance: Random
    ) -> None:
        self._venue = venue
        self._listener = listener
        self._clock = clock
        self._chance = chance
        self._pacer = Pacer(venue.stream.connect_spacing_s, clock)
        self._symbols = dict(symbols)
        self._lines = list(self._made(tuple(symbols)))
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[Line, asyncio.Task[None]] = {}

    def start(self, group: asyncio.TaskGroup) -> None:
        """Keep every line connected in this group, and those that come to be."""
        self._group, self._running = group, {}
        for line in self._lines:
            self._run(line)

    def stop(self) -> None:
        """Take note that the group has ended."""
        self._group = None

    def replace(self, instruments: Iterable[str], reason: str) -> None:
        """Have other connections take the place of those that bring these instruments."""
        wanted = set(instruments)
        for line in self._lines:
            if not wanted.isdisjoint(line.instruments):
                line.replace(reason)

    def regroup(self, symbols: Mapping[str, str]) -> None:
        """Bring these instruments from now on instead."""
        joining = tuple(name for name in symbols if name not in self._symbols)
        self._symbols = dict(symbols)
        for line in tuple(self._lines):
            stay = tuple(name for name in line.instruments if name in symbols)
            if not stay:
                self._lines.remove(line)
                if line in self._running:
                    self._running.pop(line).cancel()
            elif stay != line.instruments:
                line.narrow(stay, self._frames(stay))
        for line in self._made(joining):
            self._lines.append(line)
            self._run(line)

    def _run(self, line: Line) -> None:
        if self._group is not None:
            self._running[line] = self._group.create_task(line.run())

    def _frames(self, names: Sequence[str]) -> list[bytes]:
        return self._venue.subscribe([self._symbols[name] for name in names])

    def _made(self, names: tuple[str, ...]) -> Iterator[Line]:
        rules = self._venue.stream
        size = rules.instruments_per_connection
        for part in (names[at : at + size] for at in range(0, len(names), size)):
            tools = (rules, self._listener, self._pacer, self._clock, self._chance)
            yield Line(part, self._frames(part), *tools)
