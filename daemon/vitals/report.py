"""The report of a run: everything that is said of it after it, as plain data and as tables."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import asdict as asdict_struct

from daemon.bars.coverage import CoverageFigures
from daemon.events import StateChange, VitalChange
from daemon.labels.matured import Move
from daemon.vitals.account_figures import instrument_figures, whole_figures
from daemon.vitals.alarm_panels import change_table
from daemon.vitals.completeness import OUTSIDE, bars_panel, missing_facts
from daemon.vitals.cost_totals import COMPONENTS
from daemon.vitals.curves import Curves
from daemon.vitals.day_book import DayBook, returns
from daemon.vitals.drift_map import DriftMapFigures
from daemon.vitals.moment import clock
from daemon.vitals.outcomes import Outcome
from daemon.vitals.ratios import Figure, Yardstick
from daemon.vitals.report_panels import drift_panel, figure_text, held_panel, instrument_panels, states_panel
from daemon.vitals.skill_panels import Panel
from daemon.vitals.trades import TradeFigures
from daemon.vitals.training_date import Divided
from daemon.vitals.verdict import verdict


@dataclass(frozen=True, slots=True)
class Told:
    """What the tape says of the run itself.

    Attributes:
        name: Of the run.
        quote: Its currency.
        model: Version of the model it began with.
        capital: At the start, quote currency.
        benchmark: Instrument that alpha and beta refer to.
        paid: By component of `COMPONENTS`, quote currency.
        digest: Of the tape's newest batch.
        importance: Feature and share of all splits of the first model's trees, the largest first.
    """

    name: str
    quote: str
    model: str
    capital: float
    benchmark: str
    paid: Mapping[str, float]
    digest: str
    importance: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """Everything that is said of a run after it.

    Attributes:
        told: What the run was.
        account: Its days, holdings and closed trades.
        curves: What is drawn over time.
        outcomes: What experts said and what came.
        trades: Of the whole run.
        by: What the ratios are measured by.
        divided: The run before and after the end of its model's training.
        changes: Moves of the trading state, oldest first.
        coverage: Which bars came and which were missing, by instrument.
        outside: By instrument, bars of the files that lie outside its sessions, also after the run's end.
        drift: Drift by day, by subject (`features`, `predictions`).
        no_drift: Why there is none of a subject.
        alarms: Vitals that went out of their bounds or came back.
    """

    told: Told
    account: DayBook
    curves: Curves
    outcomes: tuple[Outcome, ...]
    trades: TradeFigures
    by: Yardstick
    divided: Divided
    changes: tuple[StateChange, ...] = ()
    coverage: tuple[CoverageFigures, ...] = ()
    outside: Mapping[str, int] = field(default_factory=dict)
    drift: Mapping[str, DriftMapFigures] = field(default_factory=dict)
    no_drift: Mapping[str, str] = field(default_factory=dict)
    alarms: tuple[VitalChange, ...] = ()

    @property
    def verdict(self) -> str:
        """The sentence that the report ends in."""
        return verdict(self.trades)

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures of the run as a whole."""
        return whole_figures(self.account, self.by)

    def positions(self) -> list[dict[str, Any]]:
        """Return what is held at the end, with the age of the price that it is valued at."""
        return [
            {
                "instrument": name,
                "quantity": float(holding.quantity),
                "mark": holding.mark,
                "value": holding.value,
                "weight": holding.value / self.curves.equity[-1] if self.curves.equity[-1] > 0.0 else None,
                "marked": clock(holding.marked),
                "age_minutes": holding.age,
            }
            for name, holding in sorted(self.account.holdings.items())
            if holding.quantity
        ]

    def instruments(self) -> list[dict[str, Any]]:
        """Return a row for every instrument: profit, costs, trades, and the figures of its share."""
        rows = []
        of_name = instrument_figures(self.account, self.by)
        for at, name in enumerate(self.account.order):
            holding = self.account.holdings[name]
            trips = [trip.net_bps for trip in self.account.trips if trip.instrument == at]
            rows.append(
                {
                    "instrument": name,
                    "profit": holding.profit,
                    "costs": float(holding.costs),
                    "fills": holding.fills,
                    "trades": len(trips),
                    "net_bps": float(np.mean(trips)) if trips else None,
                    "turnover": holding.traded / self.told.capital,
                    "oldest_mark_minutes": holding.oldest,
                    "figures": [asdict(figure) for figure in of_name[name]],
                }
            )
        return rows

    def missing(self) -> dict[str, str]:
        """Say what the table of bars does not (`missing_facts`)."""
        facts = missing_facts(self.coverage, self.outside)
        # A tape tells of its bar files as a whole: it may be gone on with.
        return {k: f"{text}, to the files' end" if k == OUTSIDE else text for k, text in facts.items()}

    def to_plain(self) -> dict[str, Any]:
        """Return the report as plain data: what `--json` prints and what a page is drawn from."""
        curves, told, days = self.curves, self.told, self.account.days
        return {
            "run": {
                **asdict(told),
                "first": clock(curves.minute[0]),
                "last": clock(curves.minute[-1]),
                "days": len(days),
                "minutes": sum(day.minutes for day in days),
                "equity": curves.equity[-1],
                "best": curves.best[-1],
                "worst": curves.worst[-1],
                "days_per_year": self.by.days_per_year,
                "trials": asdict(self.by.trials),
            },
            "training": {
                **asdict(self.divided),
                "date": None if self.divided.date is None else clock(self.divided.date),
                "minute": self.divided.date,
                "sentence": self.divided.sentence,
            },
            "state_changes": [
                {"minute": c.minute, "at": clock(c.minute), "state": str(c.after), "cause": c.cause}
                for c in self.changes
            ],
            "figures": [asdict(figure) for figure in self.figures],
            "trades": asdict(self.trades),
            "instruments": self.instruments(),
            "positions": self.positions(),
            "experts": [expert_plain(outcome) for outcome in self.outcomes],
            "days": [
                {"day": clock(day.number * 1440)[:10], "equity": day.equity, "return": change}
                for day, change in zip(days, returns(days), strict=True)
            ],
            "curves": {
                name: getattr(curves, name)
                for name in ("minute", "equity", "best", "worst", "drawdown", "profit", "before_costs")
            },
            "prices": [
                {"instrument": name, "close": curves.prices(name), "marks": curves.shown_marks(name)}
                for name in self.account.order
            ],
            "bars": [
                {**asdict(f), "absent": f.absent, "outside": self.outside.get(f.instrument, 0)}
                for f in self.coverage
            ],
            "missing": self.missing(),
            "drift": {
                **{subject: found.to_plain() for subject, found in self.drift.items()},
                "none": dict(self.no_drift),
            },
            "alarms": [{**asdict_struct(change), "minute": clock(change.minute)} for change in self.alarms],
            "verdict": self.verdict,
        }

    def panels(self) -> tuple[Panel, ...]:
        """Return everything but the verdict as tables."""
        told = self.told
        run = (
            ("run", told.name),
            ("minutes", f"{clock(self.curves.minute[0])} to {clock(self.curves.minute[-1])} UTC"),
            ("days", f"{len(self.account.days)}, a year has {self.by.days_per_year}"),
            (f"equity {told.quote}", f"{self.curves.equity[-1]:,.2f} of {told.capital:,.2f}"),
            ("training", self.divided.sentence),
            ("benchmark", told.benchmark),
            (
                f"paid {told.quote}",
                ", ".join(f"{c.replace('_', ' ')} {told.paid[c]:,.2f}" for c in COMPONENTS),
            ),
        )
        rows = tuple((f.name, *figure_text(asdict(f))) for f in self.figures)
        panels: list[Panel] = [
            ("run", (), run),
            ("figures, from daily returns", ("figure", "value", "95 % interval"), rows),
            *instrument_panels(self.instruments(), told.quote),
        ]
        if self.changes:
            panels.append(states_panel(self.changes))
        if held := self.positions():
            panels.append(held_panel(held))
        panels += [drift_panel(subject, found) for subject, found in self.drift.items()]
        if self.no_drift:
            panels.append(("drift by day", (), tuple(self.no_drift.items())))
        if self.coverage:
            panels.append(bars_panel(self.coverage))
        if self.alarms:
            panels.append(change_table(self.alarms))
        if missing := self.missing():
            panels.append(("missing", (), tuple(missing.items())))
        return tuple(panels)


def expert_plain(outcome: Outcome) -> dict[str, Any]:
    """Return an expert's counts as plain data."""
    sides = {}
    for move in (Move.UP, Move.DOWN):
        curve, area = outcome.roc(move)
        sides[move.name.lower()] = {"reliability": outcome.reliability(move), "roc": curve, "area": area}
    n_labels = int(outcome.confusion.sum())
    return {
        "name": outcome.name,
        "labels": n_labels,
        "accuracy": int(np.trace(outcome.confusion)) / n_labels if n_labels else None,
        "majority": int(outcome.confusion.sum(axis=1).max()) / n_labels if n_labels else None,
        "confusion": outcome.confusion.tolist(),
        **sides,
    }
