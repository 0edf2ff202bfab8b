"""One instrument between its feed and the seal: what came, what is known to be empty, what is still open.

Minutes up to `cursor` are settled: their row, or that there is none, has gone out for good. Minutes up to
`known` are resolved: each has a bar that is held, or nobody traded in it. What lies behind is open.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from math import isnan, nan
from typing import Final

from daemon.bars.open_minutes import OpenMinutes
from daemon.bars.settled import Row
from daemon.feed import BarClosed

REMEMBERED_MINUTES: Final = 120
"""So many settled minutes are remembered, to tell a duplicate from a revision."""

HELD_MINUTES: Final = 4_320
"""Most bars that wait for a gap before them; then the gap is given up. The engine takes no older backfill."""


class Came(Enum):
    """What became of a bar."""

    TAKEN = auto()
    DUPLICATE = auto()
    REVISION = auto()
    LATE = auto()
    OLD = auto()


@dataclass(frozen=True, slots=True)
class LaneStart:
    """Where a lane stands when the sequencer begins.

    Attributes:
        minute: Of its newest row; None if it has none.
        close: Of that row.
        has_taker: Whether its venue says what takers bought.
        idle: Session minutes without a real bar up to that row: so many flat rows it ends in.
    """

    minute: int | None = None
    close: float = nan
    has_taker: bool = False
    idle: int = 0


def lane_starts(
    rows: Iterable[tuple[str, int, float, float, bool]], names: Iterable[str]
) -> dict[str, LaneStart]:
    """Return where lanes stand after a run's rows so far.

    Args:
        rows: (instrument, minute, close, taker, synthetic), newest first; read until all is known.
        names: Of the instruments.
    """
    starts: dict[str, LaneStart] = {}
    searching = set(names)
    for name, minute, close, taker, synthetic in rows:
        if name not in searching:
            continue
        start = starts.get(name, LaneStart(minute, close, not isnan(taker)))
        if synthetic:
            starts[name] = replace(start, idle=start.idle + 1)
        else:
            starts[name] = start
            searching.discard(name)
            if not searching:
                break
    return starts


@dataclass(slots=True)
class LaneCounts:
    """Bars of one instrument since the sequencer began.

    Attributes:
        expected: Session minutes that were settled, those given up included.
        streamed: Real bars that entered and came by the stream.
        fetched: Real bars that entered and came from history.
        flat: Flat rows made for minutes in which nobody traded.
        duplicates: Bars that came again.
        revised: Bars that came again with other values.
        late: Bars that came after their minute was settled without them.
        refused: Bars that could not be what they claimed.
        given_up: Minutes that were let go unknown.
    """

    expected: int = 0
    streamed: int = 0
    fetched: int = 0
    flat: int = 0
    duplicates: int = 0
    revised: int = 0
    late: int = 0
    refused: int = 0
    given_up: int = 0

    def by_way(self) -> dict[str, int]:
        """Return what became of bars, by a word for it."""
        return {
            "streamed": self.streamed,
            "fetched": self.fetched,
            "flat": self.flat,
            "duplicate": self.duplicates,
            "revised": self.revised,
            "late": self.late,
            "refused": self.refused,
            "given_up": self.given_up,
        }


@dataclass(slots=True)
class _Held:
    bar: BarClosed
    received_ms: int
    streamed: bool


@dataclass(slots=True)
class Lane:
    """One instrument. For the sequencer only.

    Attributes:
        name: `venue:SYMBOL`.
        minutes: Its session minutes.
        cursor: Newest settled minute.
        known: Newest resolved minute.
        idle: Settled session minutes since the last real bar.
        unheard: Consecutive traded bars that history had and the stream did not bring.
        counts: What came.
    """

    name: str
    minutes: OpenMinutes
    cursor: int
    close: float = nan
    has_taker: bool = False
    idle: int = 0
    row_minute: int | None = None
    known: int = field(init=False)
    unheard: int = 0
    counts: LaneCounts = field(default_factory=LaneCounts)
    _unknown_to: int = field(init=False)
    _held: dict[int, _Held] = field(default_factory=dict)
    _settled: dict[int, BarClosed | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is open yet."""
        self.known = self._unknown_to = self.cursor

    def take(self, bar: BarClosed, received_ms: int, *, streamed: bool) -> Came:
        """Take a bar."""
        came = self._judged(bar)
        match came:
            case Came.TAKEN:
                self._held[bar.minute] = _Held(bar, received_ms, streamed)
                if len(self._held) > HELD_MINUTES:
                    self.give_up()
            case Came.DUPLICATE:
                self.counts.duplicates += 1
                held = self._held.get(bar.minute)
                if held is not None:
                    held.streamed |= streamed
                elif streamed:
                    self.unheard = 0
            case Came.REVISION:
                self.counts.revised += 1
            case _:
                self.counts.late += 1
        return came

    def resolve(self, minute: int) -> bool:
        """Say whether every session minute up to `minute` is resolved; bars that are held may show it."""
        while self.known < minute and (self.known + 1 in self._held or self.known + 1 not in self.minutes):
            self.known += 1
        return self.known >= minute

    def declare(self, minute: int) -> None:
        """Take note that every minute up to `minute` without a bar had no trade."""
        self.known = max(self.known, minute)

    def open_before(self, minute: int) -> tuple[int, int] | None:
        """Return the first unbroken run of open minutes up to `minute`, first and last; None if none is."""
        if self.resolve(minute):
            return None
        first = self.known + 1
        behind = min((held for held in self._held if held > first), default=minute + 1)
        return first, min(minute, behind - 1)

    def has_behind(self, minute: int) -> bool:
        """Say whether a bar is held that waits for `minute`."""
        return any(held > minute for held in self._held)

    def give_up(self) -> None:
        """Let the first run of open minutes before a held bar go: their rows will be missing."""
        behind = [minute for minute in self._held if minute > self.known]
        if behind:
            self.give_up_to(min(behind) - 1)

    def give_up_to(self, minute: int) -> None:
        """Let every open minute up to `minute` go."""
        for open_minute in range(self.known + 1, minute + 1):
            if open_minute in self.minutes and open_minute not in self._held:
                self.counts.given_up += 1
                self._unknown_to = open_minute
        self.known = max(minute, self.known)

    def settle(self, minute: int, most_flat: int) -> Iterator[Row]:
        """Settle what is resolved up to `minute`: yield its rows in order, flat ones where nobody traded.

        Args:
            minute: Up to here; it must have passed.
            most_flat: A run of flat rows ends after so many; 0 makes none.
        """
        last = min(minute, self.known)
        for at in range(self.cursor + 1, last + 1):
            if at not in self.minutes:
                continue
            self.counts.expected += 1
            row = self._row(at, most_flat)
            self._remember(at, None if row is None or row.synthetic else row.bar)
            if row is not None:
                self.close, self.row_minute = row.bar.close, at
                yield row
        self.cursor = max(self.cursor, last)

    def _row(self, minute: int, most_flat: int) -> Row | None:
        held = self._held.pop(minute, None)
        if held is not None:
            self.idle = 0
            self.has_taker = not isnan(held.bar.taker)
            if held.streamed:
                self.counts.streamed += 1
                self.unheard = 0
            else:
                self.counts.fetched += 1
                self.unheard += held.bar.volume > 0.0
            return Row(held.bar, held.received_ms)
        self.idle += 1
        # A session has no hole, so a row one minute earlier stands in the same one.
        if self.idle > most_flat or self.row_minute != minute - 1 or minute <= self._unknown_to:
            return None
        self.counts.flat += 1
        price = self.close
        return Row(
            BarClosed(self.name, minute, price, price, price, price, 0.0, 0.0 if self.has_taker else nan),
            None,
        )

    def _remember(self, minute: int, bar: BarClosed | None) -> None:
        self._settled[minute] = bar
        while len(self._settled) > REMEMBERED_MINUTES:
            del self._settled[next(iter(self._settled))]

    def _judged(self, bar: BarClosed) -> Came:
        held = self._held.get(bar.minute)
        if held is not None:
            return Came.DUPLICATE if _same(held.bar, bar) else Came.REVISION
        if bar.minute > self.cursor:
            # Also where history said that nobody traded (it may have spoken too soon), or was given up.
            return Came.TAKEN
        if bar.minute not in self._settled:
            return Came.OLD
        before = self._settled[bar.minute]
        if before is None:
            return Came.LATE
        return Came.DUPLICATE if _same(before, bar) else Came.REVISION


def _same(one: BarClosed, other: BarClosed) -> bool:
    """Say whether two bars of one minute agree; a venue's history may tell more of takers than its stream."""
    taker = one.taker == other.taker or isnan(one.taker) or isnan(other.taker)
    return taker and (one.open, one.high, one.low, one.close, one.volume) == (
        other.open,
        other.high,
        other.low,
        other.close,
        other.volume,
    )
