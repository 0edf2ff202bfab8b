"""What a person sees of a run: numbers gathered here, drawn elsewhere.

A view turns itself into `Panel`s, plain titled tables of text, so that whoever draws (a terminal, a page)
decides nothing about numbers and needs nothing from the core.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from daemon.bars.coverage import CoverageFigures
from daemon.events import TradingMode
from daemon.policy.funnel import FunnelCounts
from daemon.vitals.alarm_panels import standing_table
from daemon.vitals.alarms import Alarm
from daemon.vitals.completeness import bars_panel
from daemon.vitals.drawdown import DrawdownFigures
from daemon.vitals.edges import EdgeFigures
from daemon.vitals.group_panels import group_panels
from daemon.vitals.groups import GroupFigures
from daemon.vitals.health import HealthFigures
from daemon.vitals.held import HeldPosition, positions_panel
from daemon.vitals.moment import clock
from daemon.vitals.skill import SkillFigures
from daemon.vitals.skill_panels import (
    UNKNOWN,
    Panel,
    accuracy_panel,
    edge_panel,
    gain_panel,
    skill_panel,
    spread,
)
from daemon.vitals.trades import TradeFigures
from daemon.vitals.verdict import verdict
from daemon.vitals.vital_panels import health_tables

BAR_CELLS = 30


@dataclass(frozen=True, slots=True)
class Banded:
    """An amount of money with its band: worst <= expected <= best."""

    expected: Decimal
    best: Decimal
    worst: Decimal

    def text(self) -> str:
        """Return e.g. `100,012.50 (99,950.10 to 100,020.00)`."""
        return f"{self.expected:,.2f} ({self.worst:,.2f} to {self.best:,.2f})"


@dataclass(frozen=True, slots=True)
class RecentTrade:
    """One closed round trip for the live table. `minute` is the epoch minute of its exit."""

    minute: int
    instrument: str
    side: int
    net_bps: float
    reason: str


@dataclass(frozen=True, slots=True)
class LiveView:
    """What a run looks like now.

    Attributes:
        minute: Epoch minute, the newest that was decided.
        equity: With its band.
        day: Change of equity since the day's (UTC) first minute.
        mode: The trading state, with its cause where it is not normal.
        positions: What is held, sorted by instrument.
        trades: The newest closed trades, newest first; a handful.
        skill: Of the experts and the blend.
        done: Share of a replay that is done; None where there is no end.
        alarms: Vitals that are out of their bounds.
    """

    minute: int
    equity: Banded
    day: Decimal
    mode: TradingMode
    positions: tuple[HeldPosition, ...] = ()
    trades: tuple[RecentTrade, ...] = ()
    skill: tuple[SkillFigures, ...] = ()
    done: float | None = None
    alarms: tuple[Alarm, ...] = ()

    def line(self) -> str:
        """Return the view as one line, for where no table can be drawn."""
        done = "" if self.done is None else f"{self.done:.0%}  "
        oldest = max((position.mark_age_minutes for position in self.positions), default=0)
        marks = f" (oldest mark {oldest} min)" if oldest else ""
        alarms = f"  alarms {len(self.alarms)}" if self.alarms else ""
        return (
            f"{done}{clock(self.minute)}  equity {self.equity.text()}  day {self.day:+,.2f}  "
            f"positions {len(self.positions)}{marks}  state {self.mode}{alarms}"
        )

    def panels(self) -> tuple[Panel, ...]:
        """Return the view as tables."""
        now = [
            ("minute", clock(self.minute)),
            ("equity", self.equity.text()),
            ("day", f"{self.day:+,.2f}"),
            ("state", str(self.mode)),
        ]
        if self.done is not None:
            now.insert(0, ("done", _progress_bar(self.done)))
        closed = tuple(
            (clock(t.minute), t.instrument, "long" if t.side > 0 else "short", f"{t.net_bps:+.1f}", t.reason)
            for t in self.trades
        )
        return (
            ("now", (), tuple(now)),
            positions_panel("positions", self.positions),
            ("last trades", ("closed", "instrument", "side", "net bps", "ended by"), closed),
            skill_panel("skill over the base rate", self.skill),
            *((standing_table(self.alarms),) if self.alarms else ()),
        )


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to.

    Attributes:
        name: Of the run.
        quote: Its currency.
        first_minute: Epoch minute, first decided.
        last_minute: Last decided.
        bars: Bars of decided minutes.
        seconds: How long it took; None where nobody measured.
        capital: Equity at the start.
        equity: At the end, with its band.
        drawdown: Since the start.
        trades: Closed round trips.
        costs: Paid so far by component, quote currency (`CostTotals.totals`).
        skill: Of the live minutes.
        coverage: Which bars came and which were missing, by instrument.
        catch_up: Of the minutes filled from history; shown where there are any.
        funnel: From scored to filled, with the reasons of what fell out.
        facts: Further things to say, by subject (e.g. that funding is not charged).
        health: Drift, calibration, change.
        positions: What is held at the end, sorted by instrument.
        edges: What signals promised beside what came.
        groups: Groups of instruments, judged apart.
        alarms: Tables of what was out of its bounds.
    """

    name: str
    quote: str
    first_minute: int
    last_minute: int
    bars: int
    seconds: float | None
    capital: Decimal
    equity: Banded
    drawdown: DrawdownFigures
    trades: TradeFigures
    costs: Mapping[str, Decimal]
    skill: tuple[SkillFigures, ...]
    funnel: FunnelCounts
    coverage: tuple[CoverageFigures, ...] = ()
    catch_up: tuple[SkillFigures, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    health: HealthFigures | None = None
    positions: tuple[HeldPosition, ...] = ()
    edges: EdgeFigures | None = None
    groups: tuple[GroupFigures, ...] = ()
    alarms: tuple[Panel, ...] = ()

    @property
    def verdict(self) -> str:
        """The sentence that the summary ends in."""
        return verdict(self.trades)

    def panels(self) -> tuple[Panel, ...]:
        """Return everything but the verdict as tables."""
        panels = [
            ("run", (), self._run()),
            ("trades", (), self._trades()),
            skill_panel("skill over the base rate", self.skill),
            accuracy_panel("accuracy beside its baselines, %", self.skill),
            ("decision funnel", ("step", "count", "fell out, by reason"), _funnel(self.funnel)),
        ]
        if self.edges is not None and self.edges.signals:
            panels.insert(2, edge_panel(self.edges))
        if any(figures.rows for figures in self.catch_up):
            panels.insert(-1, skill_panel("skill in minutes filled from history", self.catch_up))
        panels += group_panels(self.groups)
        if self.positions:
            panels.append(positions_panel("held at the end", self.positions))
        if self.coverage:
            panels.append(bars_panel(self.coverage))
        if self.health is not None:
            panels.append(gain_panel(self.skill, self.health.calibration))
            panels += health_tables(self.health)
        panels += self.alarms
        if self.facts:
            panels.append(("also", (), tuple(self.facts.items())))
        return tuple(panels)

    def _run(self) -> tuple[tuple[str, str], ...]:
        speed = UNKNOWN
        if self.seconds is not None and self.seconds > 0.0:
            speed = f"{self.bars / self.seconds:,.0f} bars/s ({self.seconds:,.1f} s)"
        gained = self.equity.expected / self.capital - 1
        down = self.drawdown
        return (
            ("run", self.name),
            ("minutes", f"{clock(self.first_minute)} to {clock(self.last_minute)} UTC"),
            ("bars", f"{self.bars:,}"),
            ("speed", speed),
            (f"equity {self.quote}", f"{self.equity.text()}, {gained:+.2%}"),
            (
                "drawdown",
                f"{down.current:.2%} now, {down.worst:.2%} at worst, below the high for "
                + _span(down.longest_minutes_below)
                + " at longest",
            ),
        )

    def _trades(self) -> tuple[tuple[str, str], ...]:
        t = self.trades
        paid = ", ".join(f"{name.replace('_', ' ')} {amount:,.2f}" for name, amount in self.costs.items())
        if not t.count:
            return (("closed round trips", "none"), (f"paid {self.quote}", paid))
        return (
            ("closed round trips", f"{t.count:,}"),
            ("bps a trade", f"gross {t.gross_bps:+.1f}, cost {t.cost_bps:.1f}, net {t.net_bps:+.1f}"),
            ("net, worst to best fills", f"{t.worst_bps:+.1f} to {t.best_bps:+.1f} bps"),
            ("net, 95 % interval", f"{spread(t.interval, 1.0, '.1f')} bps"),
            (f"paid {self.quote}", paid),
        )


def _progress_bar(share: float) -> str:
    full = round(share * BAR_CELLS)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {share:.0%}"


def _span(minutes: int) -> str:
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    return f"{days} d {hours} h" if days else f"{hours} h {left} min"


def _funnel(counts: FunnelCounts) -> tuple[tuple[str, str, str], ...]:
    steps: tuple[tuple[str, int, Mapping[str, int]], ...] = (
        ("scored", counts.scored, counts.not_scored),
        ("has edge", counts.has_edge, counts.gate),
        ("passes limits", counts.passes_limits, counts.limits),
        ("ordered", counts.ordered, counts.placing),
        ("filled", counts.filled, counts.unfilled),
    )
    rows = [(name, f"{count:,}", _reasons(reasons)) for name, count, reasons in steps]
    return (*rows, ("exits", f"{sum(counts.exits.values()):,}", _reasons(counts.exits)))


def _reasons(reasons: Mapping[str, int]) -> str:
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in ordered)
