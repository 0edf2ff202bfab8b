"""The report of a run: everything that is said of it after it, as plain data and as tables."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from daemon.bars.coverage import CoverageFigures
from daemon.labels.matured import Move
from daemon.vitals.completeness import bars_panel, missing_facts
from daemon.vitals.cost_totals import COMPONENTS
from daemon.vitals.curves import Curves
from daemon.vitals.day_book import DayBook, by_instrument, costs, returns
from daemon.vitals.intervals import Interval, ratio_interval
from daemon.vitals.outcomes import Outcome
from daemon.vitals.ratios import Figure, Yardstick, figures, mean_figure
from daemon.vitals.skill_panels import UNKNOWN, Panel
from daemon.vitals.summary import clock
from daemon.vitals.trades import TradeFigures
from daemon.vitals.verdict import verdict

HIT_LAG_DAYS = 1


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
        coverage: Which bars came and which were missing, by instrument.
    """

    told: Told
    account: DayBook
    curves: Curves
    outcomes: tuple[Outcome, ...]
    trades: TradeFigures
    by: Yardstick
    coverage: tuple[CoverageFigures, ...] = ()

    @property
    def verdict(self) -> str:
        """The sentence that the report ends in."""
        return verdict(self.trades)

    def figures(self) -> tuple[Figure, ...]:
        """Return the figures of the run as a whole."""
        days = self.account.days
        share = [day.minutes or 1 for day in days]
        daily = np.array([day.traded / day.opening if day.opening > 0.0 else 0.0 for day in days])
        exposure = np.array([day.gross / n for day, n in zip(days, share, strict=True)])
        net = np.array([day.net / n for day, n in zip(days, share, strict=True)])
        held = np.array([day.held / n for day, n in zip(days, share, strict=True)])
        return (
            *figures(np.array(returns(days)), self.by),
            self._hit_rate(),
            mean_figure("turnover a day, of equity", "ratio", daily, self.by),
            mean_figure("gross exposure, of equity", "share", exposure, self.by),
            mean_figure("net exposure, of equity", "share", net, self.by),
            mean_figure("minutes with a position", "share", held, self.by),
            self._cost_share(),
        )

    def instruments(self) -> list[dict[str, Any]]:
        """Return a row for every instrument: profit, costs, trades, and the ratios of its share."""
        rows = []
        for at, name in enumerate(self.account.order):
            holding = self.account.holdings[name]
            trips = [trip for trip in self.account.trips if trip.instrument == at]
            n_won = sum(trip.net_bps > 0.0 for trip in trips)
            rows.append(
                {
                    "instrument": name,
                    "profit": holding.profit,
                    "costs": float(holding.costs),
                    "fills": holding.fills,
                    "trades": len(trips),
                    "hit_rate": n_won / len(trips) if trips else None,
                    "net_bps": float(np.mean([trip.net_bps for trip in trips])) if trips else None,
                    "turnover": holding.traded / self.told.capital,
                    "figures": [
                        asdict(figure)
                        for figure in figures(np.array(by_instrument(self.account.days, name)), self.by)
                    ],
                }
            )
        return rows

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
                "trials": self.by.n_trials,
            },
            "figures": [asdict(figure) for figure in self.figures()],
            "trades": asdict(self.trades),
            "instruments": self.instruments(),
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
            "bars": [{**asdict(figures), "absent": figures.absent} for figures in self.coverage],
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
            ("benchmark", told.benchmark),
            (
                f"paid {told.quote}",
                ", ".join(f"{c.replace('_', ' ')} {told.paid[c]:,.2f}" for c in COMPONENTS),
            ),
        )
        rows = tuple((f.name, *figure_text(asdict(f))) for f in self.figures())
        columns = ("instrument", f"profit {told.quote}", "costs", "trades", "hit rate", "net bps", "Sharpe")
        by_name = tuple(
            (
                row["instrument"],
                f"{row['profit']:+,.2f}",
                f"{row['costs']:,.2f}",
                f"{row['trades']:,}",
                UNKNOWN if row["hit_rate"] is None else f"{row['hit_rate']:.1%}",
                UNKNOWN if row["net_bps"] is None else f"{row['net_bps']:+.1f}",
                figure_text(row["figures"][1])[0],
            )
            for row in self.instruments()
        )
        panels: list[Panel] = [
            ("run", (), run),
            ("figures, from daily returns", ("figure", "value", "95 % interval"), rows),
            ("by instrument", columns, by_name),
        ]
        if self.coverage:
            panels.append(bars_panel(self.coverage))
        if missing := missing_facts(self.coverage, {}):
            panels.append(("missing", (), tuple(missing.items())))
        return tuple(panels)

    def _hit_rate(self) -> Figure:
        trips = self.account.trips
        if not trips:
            return Figure("trades with a gain", "share", None, note="no closed trade")
        first = self.account.days[0].number
        at = np.array([trip.exit_minute // 1440 - first for trip in trips])
        won = np.array([float(trip.net_bps > 0.0) for trip in trips])
        # A delisting may be booked after the last bar's day.
        n_days = int(at.max()) + 1
        found: Interval | None = ratio_interval(
            np.bincount(at, weights=won, minlength=n_days).astype(np.float64),
            np.bincount(at, minlength=n_days).astype(np.float64),
            HIT_LAG_DAYS,
        )
        value = float(won.mean())
        if found is None:
            return Figure("trades with a gain", "share", value, note="no interval: too few days with trades")
        return Figure("trades with a gain", "share", value, max(found.low, 0.0), min(found.high, 1.0))

    def _cost_share(self) -> Figure:
        name, paid = "costs, of the profit before them", costs(self.account.holdings)
        before = self.curves.equity[-1] - self.told.capital + paid
        if before <= 0.0:
            return Figure(name, "share", None, note=f"no profit before costs ({before:,.2f})")
        return Figure(name, "share", paid / before, note="no interval: a sum")


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


def figure_text(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Return a figure's value and its interval, or why there is none, as text."""

    def said(number: float) -> str:
        return f"{number:.2%}" if figure["unit"] == "share" else f"{number:.2f}"

    value = UNKNOWN if figure["value"] is None else said(figure["value"])
    if figure["low"] is None:
        return value, str(figure["note"])
    return value, f"{said(figure['low'])} to {said(figure['high'])}"
