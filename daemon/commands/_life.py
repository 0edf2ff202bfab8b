"""Everything that a report says of a run but drift, from one pass over its batches.

The pass can be put down after any batch and taken up again: so batches can leave the tape, and the report of
the whole life stays what it was.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from adapters.tape.reader import TapeReader
from daemon import chain
from daemon.bars.coverage import Coverage
from daemon.commands._from_tape import CHUNK_ROWS, warmup_minutes
from daemon.errors import BundleError
from daemon.events import (
    MINUTES_PER_DAY,
    BatchRecord,
    Instrument,
    Minutes,
    StateChange,
    UniverseChanged,
    VitalChange,
    decision_dtype,
)
from daemon.kernels import IntArray
from daemon.models.bundle import Bundle
from daemon.playback import minutes_of
from daemon.ports import Files
from daemon.settings import Settings
from daemon.snapshot import decode_plain, encode_plain
from daemon.vitals.cost_totals import CostTotals
from daemon.vitals.curves import KEPT_EVERY, Curves
from daemon.vitals.day_book import DayBook
from daemon.vitals.day_summary import DaySummary, read_summary
from daemon.vitals.outcomes import Outcomes
from daemon.vitals.trades import TradeFigures, Trades
from daemon.vitals.training_date import TrainingDate


class Life:
    """Follows the batches of a run from its first.

    Args:
        settings: That the run began with.
        instruments: The same.
        experts: Names, as decisions have them at first.
        trained_until: Epoch minute behind the last that the model was trained on; None where nobody knows.
        curves: What is drawn.

    Attributes:
        names: The instruments of the batch that came last.
    """

    def __init__(
        self,
        settings: Settings,
        instruments: Sequence[Instrument],
        experts: Sequence[str],
        trained_until: int | None,
        curves: Curves,
    ) -> None:
        capital = float(settings.run.capital)
        self.names = tuple(instrument.name for instrument in instruments)
        self.coverage = Coverage(instruments)
        self.account = DayBook(capital, self.names)
        self.curves = curves
        self.costs = CostTotals()
        self.alarms: list[VitalChange] = []
        self.outcomes = Outcomes(settings.labels, experts, len(self.names))
        self.changes: list[StateChange] = []
        self.training = TrainingDate(trained_until, capital)
        self._known = {instrument.name: instrument for instrument in instruments}
        self._horizon_minutes = settings.labels.horizon_minutes
        self._experts = tuple(experts)

    def warm(self, minutes: Minutes) -> None:
        """Take minutes before the first decided one."""
        self.coverage.warm(minutes)

    def take(
        self, records: Sequence[BatchRecord], names: Sequence[str]
    ) -> tuple[Minutes, IntArray, np.ndarray]:
        """Take batches that follow each other in one universe and under one model: only the first has events.

        Returns:
            Their minutes as they came, the epoch minute of each decision, and the decisions.
        """
        if any(event.kind == UniverseChanged.__name__ for event in records[0].events):
            self._regroup(records[0], names)
        came = chain.swapped_in(records[0].events, records[0].refusals)
        if came is not None and came.experts:
            self._experts = came.experts
            self.outcomes.hear_also(came.experts)
        for record in records:
            self.account.add(record, names)
            self.curves.add(record, names)
            self.costs.add(record.fills)
            self.training.add(record)
            self.changes.extend(record.changes)
            self.alarms += record.vitals
        dtype = decision_dtype(self._experts)
        decisions = [np.frombuffer(record.decisions, dtype) for record in records]
        row_minute = np.repeat(np.arange(len(records)), [len(rows) for rows in decisions])
        said, minutes = np.concatenate(decisions), minutes_of(records, len(names), without_refused=True)
        offered = minutes_of(records, len(names))
        self.coverage.update(offered, minutes)
        self.outcomes.add(minutes, row_minute, said)
        return offered, minutes.minute[row_minute], said

    def trades(self) -> TradeFigures:
        """Return the figures of all closed trades."""
        days = self.account.days
        trades = Trades(self._horizon_minutes, (days[-1].number - days[0].number + 2) * MINUTES_PER_DAY)
        trades.add(sorted(self.account.trips, key=lambda trip: trip.exit_minute))
        return trades.figures()

    # --- put down and taken up

    def ended_days(self) -> Iterator[DaySummary]:
        """Hand out, and forget, the days that have ended, ascending."""
        account = self.account
        while len(account.days) > 1:
            day = account.days.pop(0)
            end = (day.number + 1) * MINUTES_PER_DAY
            n_trips = sum(trip.exit_minute < end for trip in account.trips)
            trips, account.trips = account.trips[:n_trips], account.trips[n_trips:]
            n_changes = sum(change.minute < end for change in self.changes)
            changes, self.changes = self.changes[:n_changes], self.changes[n_changes:]
            n_alarms = sum(change.minute < end for change in self.alarms)
            alarms, self.alarms = self.alarms[:n_alarms], self.alarms[n_alarms:]
            yield DaySummary(day=day, trips=trips, changes=changes, alarms=alarms, curve=self.curves.cut(end))

    def to_bytes(self) -> bytes:
        """Return the state, less the days that were handed out."""
        known = [instrument.to_text() for instrument in self._known.values()]
        return encode_plain(
            {
                "names": self.names,
                "experts": self._experts,
                "known": known,
                "coverage": self.coverage.to_fields(),
                "account": self.account.to_fields(),
                "curves": self.curves.to_fields(),
                "costs": self.costs.to_fields(),
                "alarms": msgspec.to_builtins(self.alarms),
                "changes": msgspec.to_builtins(self.changes),
                "outcomes": self.outcomes.to_fields(),
                "training": self.training.to_fields(),
            }
        )

    def restore(self, content: bytes, days: Sequence[DaySummary]) -> None:
        """Take up again where `to_bytes` stood, after days that were handed out."""
        fields: Mapping[str, Any] = decode_plain(content)
        self._known = {
            name: Instrument(name, quote, Decimal(tick), Decimal(lot), calendar)
            for name, quote, tick, lot, calendar in fields["known"]
        }
        self.names = tuple(fields["names"])
        # A pruned tape of before says nothing of them: it has no others.
        self._experts = tuple(fields.get("experts", self._experts))
        self.coverage = Coverage([self._known[name] for name in self.names]).restored(fields["coverage"])
        self.account.restore(fields["account"])
        self.account.days[:0] = [one.day for one in days]
        self.account.trips[:0] = [trip for one in days for trip in one.trips]
        self.curves.restore(fields["curves"])
        self.curves.precede([one.curve for one in days])
        self.costs = CostTotals.from_fields(fields["costs"])
        alarms = msgspec.convert(fields["alarms"], list[VitalChange])
        self.alarms = [*(change for one in days for change in one.alarms), *alarms]
        changes = msgspec.convert(fields["changes"], list[StateChange])
        self.changes = [*(change for one in days for change in one.changes), *changes]
        self.outcomes.restore(fields["outcomes"], len(self.names))
        self.training.restore(fields["training"])

    def _regroup(self, first: BatchRecord, names: Sequence[str]) -> None:
        """Go on with other instruments: those that join stand in the events of their first batch."""
        for event in map(chain.read_event, first.events):
            if isinstance(event, UniverseChanged):
                self._known.update({one.name: one for one in event.joining(self.names)})
                index, self.names = event.columns(self.names), event.after(self.names)
                self.coverage = self.coverage.regrouped(index, [self._known[name] for name in self.names])
        self.outcomes.regroup(len(names))


def life_of(
    reader: TapeReader,
    bundle: Bundle | None,
    n_batches: int,
    heard_by: Callable[[Minutes], None] | None = None,
) -> Life:
    """Return the life of the run on a tape up to where its batches begin: nothing, or what was pruned.

    Args:
        reader: Of the tape.
        bundle: Of the model that traded from the start; None where it cannot be read.
        n_batches: How many the run has in all.
        heard_by: Takes the minutes before the first decided one too, where the life takes them.
    """
    days = [read_summary(one) for one in reader.day_summaries()]
    return _begun(reader, bundle, n_batches, None, days, heard_by)


def summarising(reader: TapeReader) -> Life:
    """Return the life that takes the batches which leave the tape next, and hands out their days."""
    return _begun(reader, bundle_of(reader.model_files()), 0, KEPT_EVERY)


def _begun(
    reader: TapeReader,
    bundle: Bundle | None,
    n_batches: int,
    step: int | None,
    days: Sequence[DaySummary] = (),
    heard_by: Callable[[Minutes], None] | None = None,
) -> Life:
    header, instruments = reader.header(), reader.instruments()
    settings = Settings.stored(header["settings"])
    trained_until = bundle.ranges.get("end") if bundle else None
    curves = Curves(n_batches, float(settings.run.capital), step)
    life = Life(settings, instruments, json.loads(header["experts"]), trained_until, curves)
    pruned = reader.pruned()
    if pruned is not None and pruned.life:
        life.restore(pruned.life, days)
        return life
    for minutes in warmup_minutes(reader, instruments):
        life.warm(minutes)
        if heard_by is not None:
            heard_by(minutes)
    return life


def bundle_of(files: Files) -> Bundle | None:
    """Return the bundle of a tape's files, or None where this version cannot read it."""
    try:
        return Bundle.from_files(files)
    except BundleError:
        # What the tape itself tells is reported all the same.
        return None


def chunks(
    records: Iterable[BatchRecord], names: tuple[str, ...]
) -> Iterator[tuple[list[BatchRecord], tuple[str, ...]]]:
    """Yield runs of batches with the instruments of their bars; what has events begins a run.

    Args:
        records: Batches that follow each other.
        names: The instruments before the first of them.
    """
    run: list[BatchRecord] = []
    for record in records:
        universe = names
        for event in map(chain.read_event, record.events):
            if isinstance(event, UniverseChanged):
                universe = event.after(universe)
        if run and (record.events or len(run) * len(names) >= CHUNK_ROWS):
            yield run, names
            run = []
        names = universe
        run.append(record)
    if run:
        yield run, names
