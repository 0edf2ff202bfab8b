"""Proof on given bars: features are the same however they are computed, finite, and see no later bar.

The language allows nothing else; this shows it on the user's own bars, with the user's own formulas.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from daemon.events import Minutes
from daemon.features.block import FeatureBlock
from daemon.features.plan import FeaturePlan
from daemon.features.state import FeatureState
from daemon.kernels import FloatArray

SINGLE_MINUTES = 240
"""So many of the last minutes are computed one at a time."""

_CHUNKS = (1, 7, 64, 501, 3_000)

FINITE, STREAMING, RESTART, LOOK_AHEAD = "finite", "streaming = batch", "restart", "no look-ahead"
PROMISES = {
    FINITE: "every value of every row is a number",
    STREAMING: f"chunks of 1 to {_CHUNKS[-1]} minutes, the last {SINGLE_MINUTES} one by one: the same bits",
    RESTART: "stopped half-way and rebuilt from a snapshot and the bars before it: the same bits",
    LOOK_AHEAD: "later bars changed and taken away, at three moments: the same bits before them",
}
"""What is proven, and how."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a promise does not hold: the first value that is not what it must be.

    Attributes:
        promise: Name of the check.
        feature: Name of the feature.
        minute: Epoch minute.
        instrument: Name of the instrument.
        expected: Value when everything is computed at once.
        got: Value otherwise.
    """

    promise: str
    feature: str
    minute: int
    instrument: str
    expected: float
    got: float


@dataclass(frozen=True, slots=True)
class Column:
    """How one feature is spread over the ready rows; `distinct` counts its different values."""

    name: str
    low: float
    median: float
    high: float
    distinct: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked and what came out.

    Attributes:
        n_rows: Bars.
        n_ready: Bars whose features are ready.
        n_refused: Bars that were refused for breaking an integer bound.
        findings: The promises that do not hold, one finding each; empty is good.
        columns: Spread of each feature.
    """

    n_rows: int
    n_ready: int
    n_refused: int
    findings: tuple[Finding, ...]
    columns: tuple[Column, ...]


def prove(plan: FeaturePlan, instruments: tuple[str, ...], minutes: Minutes) -> Proof:
    """Compute the features of `minutes` in one chunk, and again in every other way there is.

    Args:
        plan: The features.
        instruments: Names of the columns of `minutes`, sorted.
        minutes: At least two; all in memory at once.
    """
    admitted, refusals = plan.admit(plan.initial(instruments), minutes)
    whole, _ = plan.advance(plan.initial(instruments), admitted)
    context = _Context(plan, instruments, admitted, whole)
    middle = len(admitted) // 2
    ways: list[tuple[str, FeatureBlock]] = [
        (STREAMING, _streamed(plan, plan.initial(instruments), admitted)),
        (RESTART, _restarted(plan, instruments, admitted, middle)),
        *(
            (LOOK_AHEAD, _blinded(plan, instruments, admitted, part * len(admitted) // 4))
            for part in (1, 2, 3)
        ),
    ]
    findings: dict[str, Finding] = {}
    for promise, finding in [
        (FINITE, context.not_finite()),
        *((p, context.difference(p, b)) for p, b in ways),
    ]:
        if finding is not None:
            findings.setdefault(promise, finding)
    n_ready = int(whole.ready.sum())
    return Proof(len(whole), n_ready, len(refusals), tuple(findings.values()), _columns(plan, whole))


@dataclass(frozen=True, slots=True)
class _Context:
    """What findings are named from."""

    plan: FeaturePlan
    instruments: tuple[str, ...]
    minutes: Minutes
    whole: FeatureBlock

    def not_finite(self) -> Finding | None:
        bad = np.argwhere(~np.isfinite(self.whole.values))
        if not len(bad):
            return None
        row, column = bad[0].tolist()
        return self._finding(FINITE, row, column, float(self.whole.values[row, column]))

    def difference(self, promise: str, block: FeatureBlock) -> Finding | None:
        """Compare rows that stand in one piece of the whole."""
        first = int(np.searchsorted(self.whole.minute, block.minute[0])) if len(block) else 0
        expected = self.whole.values[first : first + len(block)]
        bad = np.argwhere(expected.view(np.int64) != block.values.view(np.int64))
        if not len(bad):
            return None
        row, column = bad[0].tolist()
        return self._finding(promise, first + row, column, float(block.values[row, column]))

    def _finding(self, promise: str, row: int, column: int, got: float) -> Finding:
        minute = int(self.minutes.minute[self.whole.minute[row]])
        instrument = self.instruments[int(self.whole.instrument[row])]
        expected = float(self.whole.values[row, column])
        return Finding(promise, self.plan.names[column], minute, instrument, expected, got)


def _pieces(n_minutes: int) -> Iterator[tuple[int, int]]:
    """Cut minutes into chunks of changing length, the last ones into single minutes."""
    edges, at, turn = [0], 0, 0
    singles = max(0, n_minutes - SINGLE_MINUTES)
    while at < n_minutes:
        at = min(at + _CHUNKS[turn % len(_CHUNKS)], singles) if at < singles else at + 1
        turn += 1
        edges.append(at)
    return pairwise(edges)


def _streamed(plan: FeaturePlan, state: FeatureState, minutes: Minutes) -> FeatureBlock:
    blocks = []
    for begin, end in _pieces(len(minutes)):
        block, state = plan.advance(state, minutes[begin:end])
        blocks.append(replace(block, minute=block.minute + begin))
    return FeatureBlock(
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in FeatureBlock.__slots__)
    )


def _restarted(plan: FeaturePlan, instruments: tuple[str, ...], minutes: Minutes, at: int) -> FeatureBlock:
    _, before = plan.advance(plan.initial(instruments), minutes[:at])
    state = plan.restore(before.to_fields(), [minutes[:at]])
    block, _ = plan.advance(state, minutes[at:])
    return replace(block, minute=block.minute + at)


def _blinded(plan: FeaturePlan, instruments: tuple[str, ...], minutes: Minutes, at: int) -> FeatureBlock:
    """Return the rows before `at` when everything from there on is another market."""
    names = ("open", "high", "low", "close", "volume", "taker")
    later = {name: getattr(minutes, name).copy() for name in names}
    for column in later.values():
        column[at:] *= 1.25
    present = minutes.present.copy()
    present[at::2] = False
    block, _ = plan.advance(plan.initial(instruments), replace(minutes, **later, present=present))
    n_rows = int(np.searchsorted(block.minute, at))
    return FeatureBlock(*(getattr(block, name)[:n_rows] for name in FeatureBlock.__slots__))


def _columns(plan: FeaturePlan, block: FeatureBlock) -> tuple[Column, ...]:
    values: FloatArray = block.values[block.ready] if block.ready.any() else block.values
    if not len(values):
        return ()
    low, median, high = np.quantile(values, [0.0, 0.5, 1.0], axis=0, method="lower")
    return tuple(
        Column(name, float(low[k]), float(median[k]), float(high[k]), len(np.unique(values[:, k])))
        for k, name in enumerate(plan.names)
    )
