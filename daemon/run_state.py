"""Everything that deciding a minute changes: what `process` reads and writes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from daemon.bars.coverage import Coverage
from daemon.bars.sessions import minutes_per_year
from daemon.events import BLEND, Instrument, StateChange, VitalChange
from daemon.kernels import IntArray
from daemon.policy.costs import RoundTripCosts
from daemon.policy.funnel import Funnel
from daemon.policy.policy import Policy
from daemon.policy.sizing import Sizer
from daemon.policy.trading_state import TradingState
from daemon.policy.turnover import Turnover
from daemon.positions.desk import Desk
from daemon.positions.trips import LastTrips
from daemon.run_model import RunModel
from daemon.settings import Settings
from daemon.vitals.alarms import Alarms
from daemon.vitals.baselines import ONE_EACH
from daemon.vitals.cost_totals import CostTotals
from daemon.vitals.drawdown import Drawdown
from daemon.vitals.edges import Edges
from daemon.vitals.forms import Series, forms_of
from daemon.vitals.groups import Groups, Judging
from daemon.vitals.health import Health
from daemon.vitals.skill import Skill
from daemon.vitals.trades import Trades


class RunState:
    """The decision state of one run; the arguments are those of `Engine`.

    Attributes:
        instruments: Of the run, sorted by name.
        settings: In force.
        model: The one that trades.
        panel: Its experts, learning.
        coverage: Which bars came and which were missing.
        turnover: Traded value per day.
        sizer: How large positions are.
        round_trips: What getting in and out again costs.
        policy: What is wanted.
        desk: What is ordered and held.
        trading: What is allowed.
        funnel: What became of signals.
        skill: How good the experts are.
        health: Whether the model still fits what it sees.
        edges: What signals promised beside what came.
        groups: All of this for groups of instruments.
        alarms: Which of that is out of bounds.
        trades: What trades earn.
        costs: What trading has cost.
        drawdown: How far below its highest equity stands.
        last_trips: The newest closed trades; for people, not part of a snapshot.
    """

    def __init__(
        self,
        model: RunModel,
        settings: Settings,
        instruments: Sequence[Instrument],
        funding: Mapping[str, Any] | None = None,
    ) -> None:
        self.instruments = tuple(instruments)
        self.settings = settings
        self.model = model
        self.panel = model.panel(len(self.instruments))
        self.coverage = Coverage(self.instruments)
        self.turnover = Turnover(len(self.instruments))
        self.sizer = self._new_sizer()
        self.round_trips = RoundTripCosts(settings.costs, self.names)
        self.policy = Policy(settings.policy, model.horizon_minutes, self.sizer)
        self.desk = Desk(settings.run.capital, settings.costs, settings.universe, self.instruments, funding)
        self.trading = TradingState(settings.risk, float(settings.run.capital))
        self.funnel = Funnel()
        self.skill = self._new_skill()
        self.health = self._new_health()
        self.groups = self._new_groups()
        self.edges = Edges(
            model.labeller.span,
            len(self.instruments),
            model.horizon_minutes,
            settings.vitals.window_minutes,
            model.version,
        )
        self.alarms = Alarms()
        self.trades = Trades(model.horizon_minutes, settings.vitals.window_minutes)
        self.costs = CostTotals()
        self.drawdown = Drawdown(float(settings.run.capital))
        self.last_trips = LastTrips()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the instruments, in the order of every column."""
        return tuple(instrument.name for instrument in self.instruments)

    @property
    def spoken(self) -> Series:
        """What the panel has said of labels that mature (`Said.judged`), in the order of columns."""
        panel = self.panel
        return (
            *self._series,
            *forms_of(panel.left, panel.left_calibrated),
        )

    @property
    def _series(self) -> Series:
        """What the model that trades is judged on."""
        return forms_of((*self.panel.names, BLEND), self.panel.calibrated)

    def reconfigure(self, settings: Settings) -> None:
        """Go on under other hot settings; the caller has checked that nothing else differs."""
        self.settings = settings
        self.sizer = self._new_sizer()
        self.round_trips = RoundTripCosts(settings.costs, self.names)
        self.policy.reconfigure(settings.policy, self.model.horizon_minutes, self.sizer)
        self.desk.reconfigure(settings.costs, settings.universe)
        self.trading.reconfigure(settings.risk)
        self.groups = self.groups.reconfigured(settings, self.skill.since)

    def judge(self, minute: int) -> tuple[tuple[VitalChange, ...], tuple[StateChange, ...]]:
        """Hold the vitals after `minute` against their bounds; what follows holds from the next minute on."""
        horizon, alarms = self.model.horizon_minutes, self.settings.alarms
        vitals = self.alarms.judge(minute, alarms, self.health, self.skill, self.edges, horizon)
        return vitals, self._heed(vitals)

    def _heed(self, vitals: Sequence[VitalChange]) -> tuple[StateChange, ...]:
        self.panel.mute(self.alarms.muted)
        return tuple(
            moved
            for change in vitals
            for moved in self.trading.vital(
                change.minute,
                f"{change.vital}:{change.subject}",
                self.alarms.mode(change.vital, change.subject),
            )
        )

    def swap(
        self, model: RunModel, minute: int, ordinal: int
    ) -> tuple[tuple[VitalChange, ...], tuple[StateChange, ...]]:
        """Let another version of the same features and labels trade; return what its coming changes.

        Experts that learn are kept where their features are the same; so are weights of the blend by name,
        and who is new enters with the share. Its vitals begin, or go on if it traded before; what the version
        before said still matures into that one's. Alarms were about the model before: they end.

        Args:
            model: The version.
            minute: The last that was decided, epoch.
            ordinal: Of the first minute that it decides.
        """
        self.model = model.of(self.names)
        self.panel = model.panel(len(self.instruments)).succeeding(self.panel, ordinal)
        for vitals in (self.skill, self.health, self.groups):
            vitals.begin(model.version, ordinal, self._series)
        self.edges.begin(model.version, ordinal)
        self.health.against(model.bundle.psi, self.names)
        ended = self.alarms.end_all(minute, f"model {model.version} trades")
        return ended, self._heed(ended)

    def regroup(self, index: IntArray, instruments: Sequence[Instrument]) -> None:
        """Go on with other instruments: column j is the old column index[j], or a new one for -1."""
        self.instruments = tuple(instruments)
        self.model = self.model.of(self.names)
        self.round_trips = RoundTripCosts(self.settings.costs, self.names)
        self.panel.regroup(index)
        self.coverage = self.coverage.regrouped(index, instruments)
        self.turnover = self.turnover.regrouped(index)
        self.sizer = self._new_sizer()
        self.policy.reconfigure(self.settings.policy, self.model.horizon_minutes, self.sizer)
        self.policy.regroup(index)
        self.desk.regroup(index, instruments)
        self.trading.regroup(index)
        self.last_trips.regroup(index)
        self.skill = self.skill.regrouped(index)
        self.edges = self.edges.regrouped(index)
        self.groups = self.groups.regrouped(index, self.names, self.skill.since)
        self.health.against(self.model.bundle.psi, self.names)

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "panel": self.panel.to_fields(),
            "coverage": self.coverage.to_fields(),
            "turnover": self.turnover.to_fields(),
            "policy": self.policy.to_fields(),
            "desk": self.desk.to_fields(),
            "trading": self.trading.to_fields(),
            "funnel": self.funnel.to_fields(),
            "skill": self.skill.to_fields(),
            "health": self.health.to_fields(),
            "edges": self.edges.to_fields(),
            "groups": self.groups.to_fields(),
            "alarms": self.alarms.to_fields(),
            "trades": self.trades.to_fields(),
            "costs": self.costs.to_fields(),
            "drawdown": self.drawdown.to_fields(),
        }

    def restore(self, fields: Mapping[str, Any]) -> None:
        """Take up again where `to_fields` stood."""
        self.panel = self.panel.restored(fields["panel"])
        self.coverage = self.coverage.restored(fields["coverage"])
        self.turnover = Turnover.from_fields(fields["turnover"])
        self.policy.restore(fields["policy"])
        self.desk.restore(fields["desk"])
        self.trading = TradingState.from_fields(self.settings.risk, fields["trading"])
        self.funnel = Funnel.from_fields(fields["funnel"])
        self.skill = self.skill.restored(fields["skill"])
        self.health.restored(fields["health"])
        self.edges = self.edges.restored(fields["edges"])
        self.groups = self.groups.restored(fields["groups"])
        self.alarms.restored(fields["alarms"])
        self.panel.mute(self.alarms.muted)
        self.trades = self.trades.restored(fields["trades"])
        self.costs = CostTotals.from_fields(fields["costs"])
        self.drawdown = Drawdown.from_fields(fields["drawdown"])

    def _new_sizer(self) -> Sizer:
        yearly = np.array([minutes_per_year(instrument.calendar) for instrument in self.instruments])
        return Sizer(self.settings.policy, self.model.horizon_minutes, yearly)

    def _new_skill(self) -> Skill:
        return Skill(
            (*self.panel.names, BLEND),
            len(self.instruments),
            self.model.horizon_minutes,
            self.model.labeller.span,
            self.settings.vitals.window_minutes,
            self._base_rate(),
            self.panel.calibrated,
            self.model.version,
        )

    def _new_health(self) -> Health:
        vitals = self.settings.vitals
        return Health(
            (*self.panel.names, BLEND),
            self.model.plan.names,
            self.model.horizon_minutes,
            vitals.window_minutes,
            vitals.drift_window_minutes,
            vitals.drift_alarm_share,
            self.panel.calibrated,
            self.model.version,
        ).against(self.model.bundle.psi, self.names)

    def _new_groups(self) -> Groups:
        judging = Judging(
            (*self.panel.names, BLEND),
            self.model.horizon_minutes,
            self.model.labeller.span,
            self.settings.vitals.window_minutes,
            self._base_rate(),
            self.model.version,
        )
        return Groups(self.settings, self.names, judging)

    def _base_rate(self) -> IntArray:
        """Return the class counts that the baseline begins with: what training saw, else one of each."""
        seen = self.model.bundle.learners.get("base_rate")
        return ONE_EACH if seen is None else np.array(seen["counts"], dtype=np.int64) + ONE_EACH
