"""The storm: which fault strikes when, and when the daemon is killed, all drawn from one seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, get_args

from adapters.simulator.faults import MEANING, Fault, LastingKind
from daemon.events import MINUTE_MS

FAULT_EVERY_MINUTES: Final = 40.0
KILLED_SHARE: Final = 0.8
"""Kills fall into the first part; the rest is one long life, in which memory can be watched."""

KILL_IN_START_UP: Final = 5
"""Every so many kills the next life is killed too, while it starts."""

STOP_EVERY: Final = 10
"""Every so many kills there is one stop by SIGTERM instead of kill -9, beside them."""

LASTING: Final = frozenset(get_args(LastingKind))
HTTP_STATUSES: Final = (418, 429, 500, 503)


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at a moment of the exchange's time, ms since 1970."""

    at_ms: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of one life of the daemon, and how long it is away.

    Attributes:
        at_ms: Moment of the exchange's time.
        away_ms: How long until it is started again.
        by_kill: kill -9; otherwise SIGTERM.
        again_after_s: If positive, the next life is killed so many real seconds after its start.
    """

    at_ms: int
    away_ms: int
    by_kill: bool = True
    again_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Storm:
    """All that goes wrong, in the order of time."""

    strikes: Sequence[Strike]
    stops: Sequence[Stop]

    @property
    def n_kills(self) -> int:
        """How many times the daemon is killed, those during its start included."""
        return sum(stop.by_kill for stop in self.stops) + sum(stop.again_after_s > 0 for stop in self.stops)

    def in_force(self, kind: str, symbol: str, minute: int, margin_ms: int = 0) -> bool:
        """Say whether a lasting fault struck a symbol at some time in a minute or just after it."""
        first, last = minute * MINUTE_MS, (minute + 1) * MINUTE_MS + margin_ms
        return any(
            strike.fault.fault == kind
            and strike.fault.strikes(symbol)
            and strike.at_ms <= last
            and first <= strike.at_ms + 1000 * strike.fault.for_s
            for strike in self.strikes
        )


def drawn(seed: int, symbols: Sequence[str], first_ms: int, last_ms: int, n_kills: int) -> Storm:
    """Draw a storm over [first_ms, last_ms]; every fault there is strikes at least once if time allows."""
    chance = Random(seed)
    n_faults = max(len(MEANING), int((last_ms - first_ms) / MINUTE_MS / FAULT_EVERY_MINUTES))
    kinds = [
        kind
        for _ in range(-(-n_faults // len(MEANING)))
        for kind in chance.sample(list(MEANING), len(MEANING))
    ]
    strikes: list[Strike] = []
    for at_ms, kind in zip(sorted(chance.randrange(first_ms, last_ms) for _ in kinds), kinds, strict=True):
        strikes.append(Strike(at_ms, _fault(chance, kind, symbols)))
        # These two show themselves to who connects.
        if kind in {"ignored_subscription", "refused_connections"}:
            strikes.append(Strike(at_ms + 1, Fault(fault="disconnect")))
    return Storm(strikes, _stops(chance, first_ms, last_ms, n_kills))


def _fault(chance: Random, kind: str, symbols: Sequence[str]) -> Fault:
    if kind not in LASTING:
        return Fault(fault=kind)  # type: ignore[arg-type]
    some = chance.sample(symbols, chance.randint(1, len(symbols)))
    return Fault(
        fault=kind,  # type: ignore[arg-type]
        for_s=float(round(20.0 * 90.0 ** chance.random())),
        symbols=tuple(sorted(some)) if chance.random() < 0.5 else (),
        seconds=float(round(90.0 ** chance.random(), 1)),
        status=chance.choice(HTTP_STATUSES),
    )


def _stops(chance: Random, first_ms: int, last_ms: int, n_kills: int) -> list[Stop]:
    n_in_start_up = n_kills // (KILL_IN_START_UP + 1)
    n_plain = n_kills - n_in_start_up
    until_ms = first_ms + int((last_ms - first_ms) * KILLED_SHARE)
    moments = sorted(chance.sample(range(first_ms, until_ms), n_plain + n_plain // STOP_EVERY))
    by_term = set(chance.sample(range(len(moments)), n_plain // STOP_EVERY))
    killed = [at for at in range(len(moments)) if at not in by_term]
    again = set(chance.sample(killed, n_in_start_up))
    return [
        Stop(
            at_ms,
            # From a second to half a day.
            int(1000 * 40_000.0 ** chance.random()),
            by_kill=at not in by_term,
            again_after_s=round(chance.uniform(0.3, 4.0), 2) if at in again else 0.0,
        )
        for at, at_ms in enumerate(moments)
    ]
