"""The features of a run: which, in which order, and how to compute them over sealed minutes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from daemon.errors import BrokenBoundError, FormulaError
from daemon.events import Backfill, Minutes, Refusal, UniverseChanged
from daemon.features import admission
from daemon.features.block import FeatureBlock
from daemon.features.catalogue import Formula
from daemon.features.intake import from_backfill, from_minutes
from daemon.features.program import Program
from daemon.features.quanta import Quanta
from daemon.features.rows import Rows
from daemon.features.schema import Schema
from daemon.features.state import NEVER, FeatureState, Lanes, counters_from_fields, names_from_fields
from daemon.kernels import BoolArray, FloatArray, IntArray

SIGMA_FLOOR = 1e-6
"""Least volatility a minute that is reported, a fraction: 0.01 basis points."""

LONG_GAP_MINUTES = 60
"""After more missing session minutes, an instrument is not scored until `ROWS_AFTER_GAP` rows have come."""

ROWS_AFTER_GAP = 60

_BLOCK_ROWS = 8192
_LEAST_BLOCK_MINUTES = 8
"""Many instruments: their rings must hold a block beside what they look back on."""


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """A compiled choice of features; `compile_plan` makes it.

    Attributes:
        names: (F,) in the order of columns.
        formulas: (F,) their catalogue entries.
        schema: What a model is checked against.
        warmup_bars: Rows a lane needs before it is ready.
        history_rows: Rows of each lane that `restore` needs to fill every window.
        reference: Instruments that cross-sections run over.
        benchmark: Instrument of beta and correlation; None without a reference list.
        min_members: Least members of a cross-section.
        quanta: Known ones, by instrument.
        program: The compiled formulas; its last output is sigma.
    """

    names: tuple[str, ...]
    formulas: tuple[Formula, ...]
    schema: Schema
    warmup_bars: int
    history_rows: int
    reference: tuple[str, ...]
    benchmark: str | None
    min_members: int
    quanta: Mapping[str, Quanta]
    program: Program

    @property
    def past_rows(self) -> int:
        """How many rows of each lane a run is warmed with: windows are full and averages have settled."""
        return 2 * max(self.warmup_bars, self.history_rows)

    def initial(self, instruments: tuple[str, ...]) -> FeatureState:
        """Return the state before the first row of any of these instruments (sorted)."""
        n = len(instruments)
        block = max(_LEAST_BLOCK_MINUTES, _BLOCK_ROWS // max(n, 1))
        quanta = {name: self.quanta[name] for name in instruments if name in self.quanta}
        memory = self.program.memory(n, block, _span_minutes(block))
        return FeatureState(instruments, quanta, 0, NEVER, Lanes.empty(n), memory, block, self.schema.hash)

    def admit(self, state: FeatureState, minutes: Minutes) -> tuple[Minutes, tuple[Refusal, ...]]:
        """Make bars absent that would break an integer bound, and say which.

        Whatever is admitted here, `advance` takes. The state is only read.
        """
        return admission.admit(state, minutes)

    def admit_backfill(self, state: FeatureState, backfill: Backfill) -> tuple[Backfill, tuple[Refusal, ...]]:
        """Do the same for a backfill, which also must be newer than its instrument's last row."""
        return admission.admit_backfill(state, backfill)

    def advance(self, state: FeatureState, minutes: Minutes) -> tuple[FeatureBlock, FeatureState]:
        """Compute the features of all rows of a chunk, and the state after it.

        The chunk may be one minute or thousands: the bits are the same. `state` must not be used again.

        Raises:
            BrokenBoundError: A bar breaks an integer bound; `admit` would have refused it.
            FormulaError: A user's formula outgrew float64; nothing of the catalogue can.
        """
        blocks = []
        start = 0
        while start < len(minutes):
            stop = _block_end(minutes, start, state.block_minutes)
            blocks.append(self._advance_block(state, minutes[start:stop], start))
            start = stop
        return _joined(blocks, len(self.names)), state

    def extend(
        self, state: FeatureState, backfill: Backfill, ordinals: Sequence[int] | None = None
    ) -> FeatureState:
        """Append a backfill's rows to its lane; the panel's other lanes do not see them.

        At these past minutes cross-sections take their stated value and there is no benchmark. `state` must
        not be used again.

        Args:
            state: The state.
            backfill: Bars that `admit_backfill` let through.
            ordinals: Session minutes of the bars, for the gap rule; None counts by the clock.

        Raises:
            BrokenBoundError: A bar is not newer than the lane's last row or breaks an integer bound.
        """
        self._take_backfill(state, backfill, ordinals, rebuild=False)
        return state

    def restore(
        self,
        fields: Mapping[str, object],
        history: Iterable[Minutes | Backfill | UniverseChanged],
        instruments: tuple[str, ...] | None = None,
    ) -> FeatureState:
        """Rebuild a state from a snapshot's fields and the bars before it.

        Args:
            fields: From `FeatureState.to_fields`.
            history: The inputs before the snapshot in their order: whole minutes, with every instrument that
                had a row, from so early that each of the snapshot's lanes has its last `history_rows` rows
                (all of them, if it has fewer).
            instruments: Names at the history's beginning; default: those of the snapshot.

        Raises:
            ValueError: The fields are another plan's or damaged.
        """
        names, quanta = names_from_fields(fields)
        known = {**self.quanta, **quanta}
        state = replace(self, quanta=known).initial(instruments or names)
        for part in history:
            if isinstance(part, UniverseChanged):
                before = state.instruments
                state = state.regrouped(part.columns(before), part.after(before), known)
                continue
            if isinstance(part, Backfill):
                self._take_backfill(state, part, None, rebuild=True)
                continue
            start = 0
            while start < len(part):
                stop = _block_end(part, start, state.block_minutes)
                self._rebuild_block(state, part[start:stop])
                start = stop
        if state.instruments != names:
            raise ValueError("the snapshot's instruments are not those that its history leads to")
        counters_from_fields(state, fields)
        state.quanta = quanta
        return state

    def _advance_block(self, state: FeatureState, minutes: Minutes, first_row: int) -> FeatureBlock | None:
        rows, rank = from_minutes(state, minutes, self.program.base, self._benchmark_column(state))
        ordinals = state.ordinal + np.arange(len(minutes), dtype=np.int64)
        state.ordinal += len(minutes)
        state.last_minute = int(minutes.minute[-1])
        if rows is None or rows.minute_index is None:
            return None
        admission.guard(state, rows)
        columns = self._run(state, rows, rebuild=False)
        ready = _count(state, rows, ordinals[rows.minute_index], self.warmup_bars)
        minute, instrument, ordered = rows.minute_index, rows.lane, columns
        if len(rows.lanes) > 1:
            ordered = [column[rank] for column in columns]
            minute, instrument, ready = minute[rank], instrument[rank], ready[rank]
        # Column by column: transposing a matrix whose rows are 2^n long misses the cache at every element.
        values = np.empty((len(rows), len(self.names)))
        for k, column in enumerate(ordered[:-1]):
            values[:, k] = column
        if not np.isfinite(values).all():
            raise FormulaError(self._overflow(state, rows, columns))
        return FeatureBlock(minute + first_row, instrument, values, np.array(ordered[-1]), ready)

    def _rebuild_block(self, state: FeatureState, minutes: Minutes) -> None:
        rows, _ = from_minutes(state, minutes, self.program.base, self._benchmark_column(state))
        if rows is not None:
            self._run(state, rows, rebuild=True)
            state.lanes.position[rows.lanes] += rows.counts

    def _take_backfill(
        self, state: FeatureState, backfill: Backfill, ordinals: Sequence[int] | None, *, rebuild: bool
    ) -> None:
        column = state.instruments.index(backfill.instrument)
        bars = backfill.bars
        past = (
            _ordinals_of(state, [bar[0] for bar in bars])
            if ordinals is None
            else np.array(ordinals, np.int64)
        )
        start = 0
        while start < len(bars):
            # A backfill may be longer than a block.
            limit = bars[start][0] + _span_minutes(state.block_minutes)
            stop = start + 1
            while stop < min(len(bars), start + state.block_minutes) and bars[stop][0] <= limit:
                stop += 1
            rows = from_backfill(state, column, bars[start:stop], self.program.base)
            if not rebuild and int(rows.minute[0]) <= int(state.lanes.last_minute[column]):
                raise BrokenBoundError(f"a backfill of {backfill.instrument} is not newer than its last row")
            admission.guard(state, rows)
            self._run(state, rows, rebuild=rebuild)
            if rebuild:
                state.lanes.position[rows.lanes] += rows.counts
            else:
                _count(state, rows, past[start:stop], self.warmup_bars)
            start = stop

    def _run(self, state: FeatureState, rows: Rows, *, rebuild: bool) -> list[FloatArray]:
        fresh = (state.lanes.rows == 0).astype(np.float64)
        reference = set(self.reference)
        members = np.array([name in reference for name in state.instruments], np.bool_)
        return self.program.run(rows, state.memory, fresh, members, self.min_members, rebuild=rebuild)

    def _overflow(self, state: FeatureState, rows: Rows, columns: list[FloatArray]) -> str:
        name, column = next(
            (n, c) for n, c in zip(self.names, columns, strict=False) if not np.isfinite(c).all()
        )
        at = int(np.argmin(np.isfinite(column)))
        where = f"{state.instruments[int(rows.lane[at])]} at minute {int(rows.minute[at])}"
        return f"feature {name} of {where} is {float(column[at])!r}; bound the formula with clip(...)"

    def _benchmark_column(self, state: FeatureState) -> int | None:
        return state.instruments.index(self.benchmark) if self.benchmark in state.instruments else None


def _span_minutes(block_minutes: int) -> int:
    """Return how many minutes by the clock a block may span, where markets close in between."""
    return min(8 * block_minutes, 8192)


def _block_end(minutes: Minutes, start: int, block_minutes: int) -> int:
    limit = int(minutes.minute[start]) + _span_minutes(block_minutes)
    stop = min(len(minutes), start + block_minutes)
    if int(minutes.minute[stop - 1]) > limit:
        stop = int(np.searchsorted(minutes.minute, limit, side="right"))
    return stop


def _ordinals_of(state: FeatureState, minutes: list[int]) -> IntArray:
    """Return session minutes of past bars by the clock: the same on markets that never close."""
    newest = state.last_minute if state.last_minute != NEVER else minutes[-1]
    return state.ordinal - 1 + np.minimum(np.array(minutes, np.int64) - newest, 0)


def _count(state: FeatureState, rows: Rows, ordinals: IntArray, warmup_bars: int) -> BoolArray:
    """Advance the lanes' counters and return (R,) whether each row is ready, in lane order."""
    lanes = state.lanes
    first = np.zeros(len(rows), np.bool_)
    first[rows.starts] = True
    before = np.empty(len(rows), np.int64)
    before[1:] = ordinals[:-1]
    before[rows.starts] = lanes.last_ordinal[rows.lanes]
    within = np.arange(len(rows)) - np.repeat(rows.starts, rows.counts)
    number = lanes.rows[rows.lane] + within + 1
    # A lane's very first row follows no gap.
    after_gap = (ordinals - before > LONG_GAP_MINUTES + 1) & (number > 1)
    last_gap = np.maximum.accumulate(np.where(after_gap, np.arange(len(rows)), -1))
    inside = last_gap >= np.repeat(rows.starts, rows.counts)
    since = np.where(inside, np.arange(len(rows)) - last_gap + 1, lanes.since_gap[rows.lane] + within + 1)
    # Without a gap, rows since the gap are all rows.
    had_gap = inside | (lanes.since_gap[rows.lane] != lanes.rows[rows.lane])
    ready: BoolArray = (number >= warmup_bars) & (~had_gap | (since >= ROWS_AFTER_GAP))
    ends = rows.starts + rows.counts - 1
    lanes.position[rows.lanes] += rows.counts
    lanes.rows[rows.lanes] += rows.counts
    lanes.last_minute[rows.lanes] = rows.minute[ends]
    lanes.last_ordinal[rows.lanes] = ordinals[ends]
    lanes.since_gap[rows.lanes] = since[ends]
    return ready


def _joined(blocks: list[FeatureBlock | None], n_features: int) -> FeatureBlock:
    filled = [block for block in blocks if block is not None]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        empty = np.empty(0, np.int64)
        return FeatureBlock(empty, empty, np.empty((0, n_features)), np.empty(0), np.empty(0, np.bool_))
    return FeatureBlock(
        np.concatenate([b.minute for b in filled]),
        np.concatenate([b.instrument for b in filled]),
        np.concatenate([b.values for b in filled]),
        np.concatenate([b.sigma for b in filled]),
        np.concatenate([b.ready for b in filled]),
    )
