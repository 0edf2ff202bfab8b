"""The decision funnel: scored -> has edge -> passes limits -> ordered -> filled.

It answers "why does it not trade?". Every step adds up: what enters it leaves it, or is counted with its
reason.

- scored = refused at the gate + has_edge
- has_edge = confirmed + refused by filters, state and limits + passes_limits
- passes_limits = refused when ordering + ordered
- ordered = filled (at least in part) + ended unfilled + waiting

Exits are counted beside it, by reason: no signal asks for them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self, cast

import numpy as np

from daemon.events import Fill, Order, OrderEnd
from daemon.policy.gate import Screened
from daemon.policy.policy import Decision
from daemon.policy.reasons import ENTRIES, UNSCORED, Reason

ENTRY_WORDS = frozenset(reason.label for reason in ENTRIES)


@dataclass(frozen=True, slots=True)
class FunnelCounts:
    """The funnel so far.

    Attributes:
        scored: Instrument-minutes that were scored and could be decided on.
        has_edge: Of those, the signals that passed the gate.
        passes_limits: Of those, the entries, additions and reversals that the policy wanted.
        ordered: Of those, the ones that became orders.
        filled: Of those, the ones that were filled at least in part.
        waiting: Orders among `ordered` of which nothing is filled yet.
        not_scored: Rows that no decision was asked of, by reason.
        gate: Scored rows without a signal, by reason.
        limits: Signals that ordered nothing, by reason; `confirmed` is no refusal but holds on.
        placing: Wanted orders that could not be made, by reason.
        unfilled: Orders that ended without any fill, by reason.
        exits: Orders that close or reduce, by reason.
    """

    scored: int
    has_edge: int
    passes_limits: int
    ordered: int
    filled: int
    waiting: int
    not_scored: Mapping[str, int]
    gate: Mapping[str, int]
    limits: Mapping[str, int]
    placing: Mapping[str, int]
    unfilled: Mapping[str, int]
    exits: Mapping[str, int]


class Funnel:
    """Counts over the run. All counts are integers: no chunking changes them."""

    __slots__ = ("_exits", "_filled", "_limits", "_ordered", "_placing", "_screened", "_unfilled", "_waiting")

    def __init__(self) -> None:
        self._screened: Counter[int] = Counter()
        self._limits: Counter[int] = Counter()
        self._placing: Counter[int] = Counter()
        self._unfilled: Counter[str] = Counter()
        self._exits: Counter[str] = Counter()
        self._ordered = 0
        self._filled = 0
        self._waiting: set[int] = set()

    def count_screened(self, screened: Screened) -> None:
        """Count the rows of a chunk as the gate left them.

        Signals count as PASSED, whatever may still keep them from opening a position.
        """
        reasons = np.where(screened.side != 0, np.uint8(Reason.PASSED), screened.reason)
        for reason, count in enumerate(np.bincount(reasons).tolist()):
            if count:
                self._screened[reason] += count

    def count_decision(self, decision: Decision) -> None:
        """Count what became of a minute's signals."""
        for _, reason in decision.outcomes:
            self._limits[reason] += 1

    def count_placed(self, orders: Iterable[Order], refused: Iterable[tuple[int, Reason, Reason]]) -> None:
        """Count orders made and orders refused: (instrument, what was wanted, why it was refused)."""
        for order in orders:
            if order.reason in ENTRY_WORDS:
                self._ordered += 1
                self._waiting.add(order.id)
            else:
                self._exits[order.reason] += 1
        for _, wanted, why in refused:
            if wanted in ENTRIES:
                self._placing[why] += 1

    def count_filled(self, fills: Iterable[Fill], ends: Iterable[OrderEnd]) -> None:
        """Count the fills and ends of a minute, fills first."""
        for fill in fills:
            if fill.order_id in self._waiting:
                self._waiting.discard(fill.order_id)
                self._filled += 1
        for end in ends:
            if end.order_id in self._waiting:
                self._waiting.discard(end.order_id)
                self._unfilled[end.reason] += 1

    def counts(self) -> FunnelCounts:
        """Return the funnel so far."""
        has_edge = self._screened[Reason.PASSED]
        wanted = sum(count for reason, count in self._limits.items() if reason in ENTRIES)
        not_scored = {r: n for r, n in self._screened.items() if r in UNSCORED}
        gate = {r: n for r, n in self._screened.items() if r not in UNSCORED and r != Reason.PASSED}
        return FunnelCounts(
            scored=has_edge + sum(gate.values()),
            has_edge=has_edge,
            passes_limits=wanted,
            ordered=self._ordered,
            filled=self._filled,
            waiting=len(self._waiting),
            not_scored=_named(not_scored),
            gate=_named(gate),
            limits=_named({reason: n for reason, n in self._limits.items() if reason not in ENTRIES}),
            placing=_named(self._placing),
            unfilled=dict(sorted(self._unfilled.items())),
            exits=dict(sorted(self._exits.items())),
        )

    def to_fields(self) -> dict[str, object]:
        """Return the counts as plain data."""
        return {
            "screened": _named(self._screened),
            "limits": _named(self._limits),
            "placing": _named(self._placing),
            "unfilled": dict(self._unfilled),
            "exits": dict(self._exits),
            "ordered": self._ordered,
            "filled": self._filled,
            "waiting": sorted(self._waiting),
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Rebuild from `to_fields`."""
        new = cls()
        new._screened = _numbered(fields["screened"])
        new._limits = _numbered(fields["limits"])
        new._placing = _numbered(fields["placing"])
        new._unfilled = Counter(cast("dict[str, int]", fields["unfilled"]))
        new._exits = Counter(cast("dict[str, int]", fields["exits"]))
        new._ordered = cast("int", fields["ordered"])
        new._filled = cast("int", fields["filled"])
        new._waiting = set(cast("list[int]", fields["waiting"]))
        return new


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {Reason(reason).label: counts[reason] for reason in sorted(counts)}


def _numbered(counts: object) -> Counter[int]:
    return Counter({int(Reason[word.upper()]): n for word, n in cast("dict[str, int]", counts).items()})
