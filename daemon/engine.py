"""The whole path of a batch, readable top-down: `prepare`, `score`, `process`.

Sealed minutes go in, batches with their digests come out. Nothing here knows the time, a file or a socket,
and any cut of the same inputs into chunks gives the same digests.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from daemon import chain
from daemon.beside import Beside, absorb
from daemon.events import (
    BAR_FLAG_WARMUP,
    AnyEvent,
    Backfill,
    BatchRecord,
    Instrument,
    Minutes,
    Snapshot,
    UniverseChanged,
    decision_dtype,
)
from daemon.inputs import Chunk, Inputs
from daemon.kernels import exp
from daemon.models.panel import PanelRows, Said
from daemon.policy.gate import Candidate, GateRows, candidates_by_minute, screen
from daemon.positions.bar_cursor import BarCursor
from daemon.recording import DecisionRows, TradedMinute, bars_of, recorded
from daemon.run_model import RunModel
from daemon.run_state import RunState
from daemon.settings import Settings
from daemon.snapshot import SNAPSHOT_VERSION
from daemon.vitals.alarms import checks

Outcome = tuple[tuple[BatchRecord, ...], Snapshot | None]
"""A chunk's batches, chained, and a snapshot where one is due after the last of them."""


class Engine:
    """One run, from its first decided minute on. For one thread; only `score` may run on another.

    Args:
        model: The model that trades.
        settings: Of the run.
        instruments: Of the run, sorted by name.
        library: Further models that a `ModelChanged` may name, by version.
        funding: Columns of `costs.funding_file`, where the settings name one.

    Attributes:
        run: Everything that deciding changes.
        weights: Weight of each expert in the blend, after the last minute.
    """

    def __init__(
        self,
        model: RunModel,
        settings: Settings,
        instruments: Sequence[Instrument],
        library: Mapping[str, RunModel] | None = None,
        funding: Mapping[str, Any] | None = None,
    ) -> None:
        self.run = RunState(model, settings, instruments, funding)
        self.weights: dict[str, float] = {}
        self.library = dict(library or {})
        self._funding = funding
        self.inputs = Inputs(model.plan, model.labeller, self.run.names)
        self.state = self.inputs.initial()
        self.batch = 0
        self.seq = 0
        self.minute = 0
        self.digest = b""
        self._ahead = 0
        self._beside = Beside()

    @property
    def dtype(self) -> np.dtype[np.void]:
        """The packed record of one decision."""
        return decision_dtype(self.run.panel.names)

    # --- before the first decided minute ---

    def warm(self, minutes: Minutes) -> np.ndarray:
        """Take minutes before the first decided one: they fill windows, nothing is decided.

        Returns:
            (n_rows,) of dtype `BAR_RECORD`: the bars as the tape keeps them.
        """
        chunk, self.state = self.inputs.prepare(self.state, minutes)
        self.run.turnover.advance(chunk.minutes)
        self.run.coverage.warm(chunk.offered)
        return bars_of(chunk, BAR_FLAG_WARMUP)

    def begin(self, genesis: bytes, seq: int) -> None:
        """Start the chain at `genesis`, after `seq` inputs (the warm-up)."""
        self.digest = genesis
        self.seq = seq

    # --- the path of a batch ---

    def parts(self, minutes: Minutes) -> Iterator[Minutes]:
        """Cut minutes where a snapshot is due."""
        every = self.run.settings.tape.snapshot_batches
        start = 0
        while start < len(minutes):
            stop = min(len(minutes), start + every - self._ahead % every)
            yield minutes[start:stop]
            start = stop

    def prepare(self, minutes: Minutes) -> Chunk:
        """Take sealed minutes in: everything that depends on them alone, but for the scores."""
        self._ahead += len(minutes)
        due = self._ahead % self.run.settings.tape.snapshot_batches == 0
        chunk, self.state = self.inputs.prepare(self.state, minutes, snapshot_due=due)
        return chunk

    def score(self, chunk: Chunk) -> Chunk:
        """Let the experts that do not learn speak of the ready rows; changes no state."""
        rows = chunk.features
        ready = rows.ready
        at, who = rows.minute[ready], rows.instrument[ready]
        values = np.ascontiguousarray(rows.values[ready])
        width = chunk.minutes.n_instruments
        return replace(chunk, raw=self.run.model.raw(chunk.minutes.minute[at], at, who, values, width))

    def process(self, chunk: Chunk) -> Outcome:
        """Decide a chunk's minutes, in parts that end where vitals are judged, because of what follows."""
        due = checks(self.minute, chunk.minutes.minute, self.run.settings.alarms.check_minutes)
        records: list[BatchRecord] = []
        for part in chunk.cut((np.flatnonzero(due) + 1).tolist()):
            records += self._decide(part, judged=bool(due[len(records) + len(part.minutes) - 1]))
        snapshot = None if chunk.after is None else self._snapshot(chunk.after)
        return tuple(records), snapshot

    def _decide(self, chunk: Chunk, *, judged: bool) -> tuple[BatchRecord, ...]:
        """What the experts say, what it is worth, then the trading; at the end the vitals, if due."""
        said = self._hear(chunk)
        rows, decisions = self._expect(chunk, said)
        traded = self._trade(chunk, rows, decisions)
        self.run.coverage.update(chunk.offered, chunk.minutes)
        if judged:
            vitals, changes = self.run.judge(int(chunk.minutes.minute[-1]))
            traded[-1] = traded[-1]._replace(changes=traded[-1].changes + changes, vitals=vitals)
        return self._record(chunk, decisions, traded)

    def _hear(self, chunk: Chunk) -> Said:
        """Labels mature: every expert is judged on them, and those that learn are taught; then all speak."""
        run, features, n_minutes = self.run, chunk.features, len(chunk.minutes)
        ready = features.ready
        rows = PanelRows(
            n_minutes=n_minutes,
            ordinal=chunk.ordinal,
            minute=features.minute[ready],
            instrument=features.instrument[ready],
            values=features.values[ready],
            raw=chunk.raw,
        )
        said = run.panel.score(rows, chunk.matured)
        judged = (chunk.matured, said.judged, said.judged_known, run.spoken)
        run.skill.update(chunk.ordinal, n_minutes, *judged)
        run.groups.judge(chunk.ordinal, n_minutes, *judged)
        run.health.judge(chunk.ordinal, *judged)
        epoch = chunk.minutes.minute[rows.minute]
        ordinals = rows.minute + chunk.ordinal
        run.health.hear(ordinals, epoch, rows.instrument, rows.values, said.experts, said.blend, said.raw)
        run.groups.hear(ordinals, rows.instrument, said.experts, said.blend)
        self.weights = dict(zip(run.panel.names, said.weights[-1].tolist(), strict=True))
        return said

    def _expect(self, chunk: Chunk, said: Said) -> tuple[GateRows, DecisionRows]:
        """What the blend says is worth, row by row, and which rows pass the gate."""
        run, features, minutes = self.run, chunk.features, chunk.minutes
        at, who, ready = features.minute, features.instrument, features.ready
        p = np.full((len(at), 3), np.nan)
        p[ready] = exp(said.blend)
        edge = run.model.edge.expected(p, features.sigma, run.model.horizon_minutes)
        turnover = run.turnover.advance(minutes)
        size = run.sizer.intended_notional(features.sigma, float(run.settings.run.capital), who)
        value = minutes.close[at, who] * minutes.volume[at, who]
        rows = GateRows(
            minute=at,
            instrument=who,
            p=p,
            edge=edge,
            sigma=features.sigma,
            cost=run.round_trips.estimate(who, features.sigma, size, value),
            turnover=turnover[at, who],
            ready=ready,
            catch_up=minutes.catch_up[at],
        )
        screened = screen(run.settings.policy, rows)
        run.funnel.count_screened(screened)
        signal = screened.side != 0
        signals = (at[signal], who[signal], edge[signal])
        run.edges.update(chunk.ordinal, len(minutes), *signals, chunk.matured)
        run.groups.promise(chunk.ordinal, len(minutes), *signals, chunk.matured)
        decisions = DecisionRows.of(rows, screened, said, run.panel.names, minutes.present.shape)
        return rows, decisions

    def _trade(self, chunk: Chunk, rows: GateRows, decisions: DecisionRows) -> list[TradedMinute]:
        """Minute by minute: fills at the open, marks at the close, what is allowed, wanted and ordered."""
        minutes = chunk.minutes
        if not len(minutes):
            return []
        sigma = np.full(minutes.present.shape, np.nan)
        sigma[rows.minute, rows.instrument] = rows.sigma
        bars = BarCursor(minutes, sigma, chunk.ages, chunk.ordinal)
        signals = candidates_by_minute(rows, decisions.screened)
        catch_up = minutes.catch_up.tolist()
        traded = []
        for t in range(len(minutes)):
            bars.seek(t)
            traded.append(self._trade_minute(bars, signals.get(t, ()), decisions, t, catch_up=catch_up[t]))
        run = self.run
        trips = run.desk.take_round_trips()
        run.trades.add(trips)
        run.groups.add(trips)
        run.last_trips.add(trips)
        run.drawdown.update(np.array([float(trade.book.equity) for trade in traded]))
        return traded

    def _trade_minute(
        self,
        bars: BarCursor,
        signals: Sequence[Candidate],
        decisions: DecisionRows,
        t: int,
        *,
        catch_up: bool,
    ) -> TradedMinute:
        run = self.run
        desk, trading = run.desk, run.trading
        opened = desk.open_minute(bars)
        book = desk.close_minute(bars, trading.mode)
        changes = trading.observe(bars.minute, float(book.equity))
        if changes:
            book = desk.close_minute(bars, trading.mode)
        if opened.fills or opened.ends:
            run.costs.add(opened.fills)
            run.funnel.count_filled(opened.fills, opened.ends)
        if catch_up:
            return TradedMinute(book, opened.fills, opened.ends, changes, ())
        decided = run.policy.decide(bars.ordinal, signals, desk.view, trading.mode, trading.stale)
        if not decided.targets and not decided.outcomes and not run.policy.targets:
            return TradedMinute(book, opened.fills, opened.ends, changes, ())
        placed = desk.place(bars, decided.targets)
        run.funnel.count_decision(decided)
        run.funnel.count_placed(placed.orders, placed.refused)
        run.funnel.count_filled((), placed.ends)
        decisions.note(t, decided, placed.refused, run.policy.targets)
        return TradedMinute(book, opened.fills, opened.ends + placed.ends, changes, placed.orders)

    def _record(
        self, chunk: Chunk, decisions: DecisionRows, traded: Sequence[TradedMinute]
    ) -> tuple[BatchRecord, ...]:
        """Chain what went in and what came out, one record a minute."""
        records = []
        for record in recorded(chunk, decisions, traded, self.batch, self.seq, self._beside):
            sealed = chain.sealed(self.digest, record)
            self.digest = sealed.digest
            records.append(sealed)
        if records:
            self.batch, self.seq, self.minute = records[-1].batch, records[-1].seq, records[-1].minute
            self._beside = Beside()
        return tuple(records)

    # --- inputs that are no minutes ---

    def apply(self, event: AnyEvent) -> None:
        """Take an input that is no sealed minute; it stands in the next minute's batch."""
        self.seq += 1
        self._beside.events.append(chain.record_event(self.seq, event))
        absorb(self, self._beside, event)

    # --- snapshots ---

    def snapshot(self) -> Snapshot | None:
        """Return the state after the last batch; None if there is none, or while events wait for theirs."""
        if not self.batch or self._beside.events:
            return None
        return self._snapshot(self.inputs.to_fields(self.state))

    def _snapshot(self, inputs: Mapping[str, object]) -> Snapshot:
        state = {
            "inputs": inputs,
            "run": self.run.to_fields(),
            "digest": self.digest,
            "model": self.run.model.version,
            "settings": self.run.settings.identity_json(),
            "instruments": [instrument.to_fields() for instrument in self.run.instruments],
            "weights": dict(self.weights),
        }
        return Snapshot(
            batch=self.batch, seq=self.seq, minute=self.minute, version=SNAPSHOT_VERSION, state=state
        )

    def restore(
        self,
        snapshot: Snapshot,
        history: Iterable[Minutes | Backfill | UniverseChanged],
        instruments: tuple[str, ...] | None = None,
    ) -> None:
        """Take up again after the snapshot's batch.

        Args:
            snapshot: Of this run, whose model is this engine's or in its library.
            history: The inputs up to the snapshot, oldest first, from so early that every window is full.
            instruments: Names at the history's beginning; default: those of the snapshot.

        Raises:
            TapeVersionError: The settings in force at the snapshot are of another version of papertape.
        """
        state: Mapping[str, Any] = snapshot.state
        whose = f"the tape's snapshot after batch {snapshot.batch}"
        settings = self.run.settings.taken_up(state["settings"], whose)
        self._be_of(tuple(map(Instrument.from_fields, state.get("instruments", ()))))
        if state["model"] != self.run.model.version:
            self.run.swap(self.library[state["model"]], snapshot.minute, self.state.ordinal)
        self.run.reconfigure(settings)
        self.state = self.inputs.restore(state["inputs"], history, instruments)
        self.run.restore(state["run"])
        self.weights = dict(state["weights"])
        self.batch, self.seq, self.minute = snapshot.batch, snapshot.seq, snapshot.minute
        self.digest = state["digest"]
        self._ahead = snapshot.batch

    def _be_of(self, instruments: tuple[Instrument, ...]) -> None:
        """Become an engine of these instruments that has seen nothing; a snapshot of before named none."""
        run = self.run
        if instruments and instruments != run.instruments:
            names = tuple(one.name for one in instruments)
            self.run = RunState(run.model.of(names), run.settings, instruments, self._funding)
            self.inputs = Inputs(run.model.plan, run.model.labeller, names)
