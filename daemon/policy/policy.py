"""From the signals of a minute and what is held to the targets that change, each with its reason.

Entry: a signal that passed the gate, the filters, the trading state and the caps. Exit: the horizon has
passed since the last confirming signal, an opposite signal, an outgrown cap, or the trading state. A failed
gate is no exit.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple, Self, cast

from daemon.events import TradingMode
from daemon.kernels import IntArray
from daemon.policy.book_view import BookView
from daemon.policy.gate import Candidate
from daemon.policy.limits import WORTHWHILE, granted, outgrown, within
from daemon.policy.reasons import Reason
from daemon.policy.sizing import Sizer
from daemon.policy.trading_state import STRICTNESS
from daemon.settings import PolicySettings

NO_STALE: Mapping[int, TradingMode] = {}
BLOCKED_BY = {
    TradingMode.NO_ENTRY: Reason.NO_ENTRY,
    TradingMode.FROZEN: Reason.FROZEN,
    TradingMode.FLATTEN: Reason.FLATTENING,
}


class Target(NamedTuple):
    """A new target: signed share of equity, and why."""

    instrument: int
    weight: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy wants of one minute.

    Attributes:
        targets: Ascending by instrument; instruments that are left alone are not among them.
        outcomes: What became of each signal of the minute, one per candidate.
    """

    targets: tuple[Target, ...] = ()
    outcomes: tuple[tuple[int, Reason], ...] = ()

    @property
    def reasons(self) -> dict[int, Reason]:
        """One reason per instrument for the tape: that of its order, else what became of its signal."""
        return dict(self.outcomes) | {target.instrument: target.reason for target in self.targets}


NOTHING = Decision()


class _Draft:
    """One minute's decision in the making."""

    __slots__ = ("mode", "ordinal", "planned", "stale", "targets", "view", "weights")

    def __init__(
        self, ordinal: int, view: BookView, mode: TradingMode, stale: Mapping[int, TradingMode]
    ) -> None:
        self.ordinal = ordinal
        self.view = view
        self.mode = mode
        self.stale = stale
        # Where each instrument is going if its waiting order is filled, before and after this minute's
        # targets.
        self.weights = {**view.weights, **view.leads_to} if view.leads_to else view.weights
        self.planned = dict(self.weights)
        self.targets: dict[int, Target] = {}

    def aim(self, instrument: int, weight: float, reason: Reason) -> None:
        """Set a target."""
        self.targets[instrument] = Target(instrument, weight, reason)
        self.planned[instrument] = weight

    def mode_of(self, instrument: int) -> TradingMode:
        """Return the stricter of the run's mode and that of the instrument's feed."""
        stale = self.stale.get(instrument, TradingMode.NORMAL)
        return stale if STRICTNESS[stale] > STRICTNESS[self.mode] else self.mode

    def movable(self, instrument: int) -> bool:
        """Whether an order of this instrument may be made at all."""
        return instrument not in self.view.halted and self.mode_of(instrument) is not TradingMode.FROZEN


class Policy:
    """Decides minute by minute. Its state: per held instrument, when it was entered and last confirmed.

    Attributes:
        targets: The last target of each instrument that is held or ordered, for the record.
    """

    __slots__ = ("_confirmed", "_entered", "_horizon", "_settings", "_sizer", "targets")

    def __init__(self, settings: PolicySettings, horizon_minutes: int, sizer: Sizer | None = None) -> None:
        self.reconfigure(settings, horizon_minutes, sizer)
        self._confirmed: dict[int, int] = {}
        self._entered: dict[int, int] = {}
        self.targets: dict[int, float] = {}

    def reconfigure(self, settings: PolicySettings, horizon_minutes: int, sizer: Sizer | None = None) -> None:
        """Go on under other settings, or with a model of another horizon."""
        self._settings = settings
        self._horizon = horizon_minutes
        self._sizer = sizer or Sizer(settings, horizon_minutes)

    def decide(
        self,
        ordinal: int,
        signals: Sequence[Candidate],
        view: BookView,
        mode: TradingMode = TradingMode.NORMAL,
        stale: Mapping[int, TradingMode] = NO_STALE,
    ) -> Decision:
        """Decide at the close of one minute; never called for a catch-up minute.

        Args:
            ordinal: Of the minute, in session minutes of the run.
            signals: The minute's candidates, at most one per instrument.
            view: The book after this minute's marks.
            mode: The run's trading mode.
            stale: Modes of instruments whose feed is lost.
        """
        if not view.weights and not view.leads_to:
            if self.targets:
                self._forget(frozenset())
            if not signals:
                return NOTHING
        draft = _Draft(ordinal, view, mode, stale)
        self._forget(draft.weights.keys())
        self._exit(draft, {signal.instrument: signal.side for signal in signals})
        self._cut(draft)
        strongest_first = sorted(
            signals, key=lambda signal: (signal.cost - abs(signal.edge), signal.instrument)
        )
        outcomes = tuple((signal.instrument, self._enter(draft, signal)) for signal in strongest_first)
        targets = tuple(draft.targets[i] for i in sorted(draft.targets))
        self.targets.update((target.instrument, target.weight) for target in targets)
        return Decision(targets, outcomes)

    def regroup(self, index: IntArray) -> None:
        """Go on with other instruments: column j is the old column index[j], or a new one for -1."""
        moved = {old: new for new, old in enumerate(index.tolist()) if old >= 0}
        self._confirmed = {moved[i]: at for i, at in self._confirmed.items() if i in moved}
        self._entered = {moved[i]: at for i, at in self._entered.items() if i in moved}
        self.targets = {moved[i]: weight for i, weight in self.targets.items() if i in moved}

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        held = sorted(self.targets)
        return {
            "instrument": held,
            "target": [self.targets[i] for i in held],
            "entered": [self._entered[i] for i in held],
            "confirmed": [self._confirmed[i] for i in held],
        }

    def restore(self, fields: Mapping[str, object]) -> Self:
        """Take the state of `to_fields` and return itself."""
        held = cast("list[int]", fields["instrument"])
        self.targets = dict(zip(held, cast("list[float]", fields["target"]), strict=True))
        self._entered = dict(zip(held, cast("list[int]", fields["entered"]), strict=True))
        self._confirmed = dict(zip(held, cast("list[int]", fields["confirmed"]), strict=True))
        return self

    def _forget(self, live: AbstractSet[int]) -> None:
        """Drop what is neither held nor ordered any more."""
        if self.targets.keys() <= live:
            return
        for instrument in [i for i in self.targets if i not in live]:
            del self.targets[instrument], self._entered[instrument], self._confirmed[instrument]

    def _note(self, instrument: int, ordinal: int, *, entered: bool) -> None:
        """Remember that a signal confirmed or entered a position."""
        self._confirmed[instrument] = ordinal
        if entered:
            self._entered[instrument] = ordinal

    def _exit(self, draft: _Draft, sides: Mapping[int, int]) -> None:
        """Close what is due; a position that a signal confirms starts its horizon again."""
        for instrument in sorted(draft.weights):
            weight = draft.weights[instrument]
            if instrument not in self.targets:
                self.targets[instrument] = weight
                self._note(instrument, draft.ordinal, entered=True)
            if weight == 0.0:
                continue  # its closing order waits already
            reason = self._exit_reason(
                draft, instrument, sides.get(instrument, 0) * (1 if weight > 0.0 else -1)
            )
            if reason is not None and draft.movable(instrument):
                draft.aim(instrument, 0.0, reason)

    def _exit_reason(self, draft: _Draft, instrument: int, agreement: int) -> Reason | None:
        """Say why a position must be closed now, if it must.

        Args:
            draft: The decision in the making.
            instrument: Index of what is held or ordered.
            agreement: 1 where this minute's signal confirms the position, -1 where it opposes it, else 0.
        """
        if draft.mode_of(instrument) is TradingMode.FLATTEN or draft.view.equity <= 0.0:
            return Reason.FLATTEN
        if agreement > 0:
            self._note(instrument, draft.ordinal, entered=False)
            return None
        if draft.ordinal - self._entered[instrument] < self._settings.min_holding_minutes:
            return None
        if agreement < 0:
            return Reason.OPPOSITE
        return Reason.HORIZON if draft.ordinal - self._confirmed[instrument] >= self._horizon else None

    def _cut(self, draft: _Draft) -> None:
        """Bring what outgrew a cap back to it."""
        if within(self._settings, draft.planned.values()):
            return
        held = {i: weight for i, weight in draft.planned.items() if weight != 0.0}
        movable = [i for i in held if draft.movable(i)]
        for instrument, weight in outgrown(self._settings, held, movable).items():
            draft.aim(instrument, weight, Reason.LIMIT)

    def _enter(self, draft: _Draft, signal: Candidate) -> Reason:
        """Open, fill up or turn a position as the signal asks, or say why not."""
        instrument, side = signal.instrument, signal.side
        planned = draft.planned.get(instrument, 0.0)
        block = self._block(draft, signal)
        if planned * side > 0.0:
            if block is not Reason.PASSED or instrument in draft.view.leads_to or instrument in draft.targets:
                return Reason.CONFIRMED
            return self._aim(draft, signal, planned)
        if block is not Reason.PASSED:
            return block
        if planned != 0.0:
            return Reason.MIN_HOLDING
        if instrument in draft.view.leads_to and instrument not in draft.targets:
            return Reason.ORDER_PENDING
        return self._aim(draft, signal, planned)

    def _block(self, draft: _Draft, signal: Candidate) -> Reason:
        """Say what keeps a signal from opening a position, or PASSED."""
        if draft.view.equity <= 0.0:
            return Reason.FLATTENING
        if draft.mode is not TradingMode.NORMAL:
            return BLOCKED_BY[draft.mode]
        if signal.instrument in draft.stale:
            return Reason.STALE_FEED
        if signal.instrument in draft.view.halted:
            return Reason.HALTED
        return signal.block

    def _aim(self, draft: _Draft, signal: Candidate, planned: float) -> Reason:
        """Set the target that sizing, smoothing and caps leave, if that is worth an order.

        Args:
            draft: The decision in the making.
            signal: A signal that nothing blocks.
            planned: Weight on the signal's side that the instrument has or will have; 0.0 when it is to be
                opened.
        """
        instrument, side = signal.instrument, signal.side
        size = self._sizer.weight(signal, draft.view.equity)
        held = draft.view.weights.get(instrument, 0.0)
        keep = self._settings.smoothing
        target = (1.0 - keep) * size * side + keep * held
        if size <= 0.0 or target * side <= 0.0:
            return Reason.NO_SIZE
        target, refusal = granted(self._settings, draft.planned, instrument, target)
        if planned != 0.0:
            if (target - planned) * side < WORTHWHILE * size:
                return Reason.CONFIRMED
            draft.aim(instrument, target, Reason.ADD)
            return Reason.ADD
        if refusal is not Reason.PASSED:
            return refusal
        reason = Reason.REVERSAL if held != 0.0 else Reason.ENTRY
        draft.aim(instrument, target, reason)
        self._note(instrument, draft.ordinal, entered=True)
        return reason
