"""The figures of an account of a run or of one instrument: ratios of returns, turnover, exposure, costs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from daemon.kernels import FloatArray
from daemon.positions.trips import RoundTrip
from daemon.vitals.day_book import Day, DayBook, by_instrument, costs, returns
from daemon.vitals.intervals import ratio_interval
from daemon.vitals.ratios import Figure, Yardstick, figures, mean_figure

HIT_LAG_DAYS: Final = 1
MOST_INTERVALS: Final = 32
"""Ratios by instrument have intervals for so many instruments, those with the most fills."""


def whole_figures(account: DayBook, by: Yardstick) -> tuple[Figure, ...]:
    """Return the figures of the run as a whole."""
    days = account.days
    return (
        *figures(np.array(returns(days)), by),
        _hit_rate(account.trips, days),
        mean_figure("turnover a day, of equity", "ratio", _of_equity(days, [day.traded for day in days]), by),
        mean_figure("gross exposure, of equity", "share", _a_minute(days, [day.gross for day in days]), by),
        mean_figure("net exposure, of equity", "share", _a_minute(days, [day.net for day in days]), by),
        mean_figure("minutes with a position", "share", _a_minute(days, [day.held for day in days]), by),
        _cost_share(days[-1].equity - days[0].opening, costs(account.holdings)),
    )


def instrument_figures(account: DayBook, by: Yardstick) -> dict[str, tuple[Figure, ...]]:
    """Return the same figures by instrument: of its share of the return, in the order in which they came."""
    fills = {name: account.holdings[name].fills for name in account.order}
    busy = set(sorted(fills, key=lambda name: (-fills[name], name))[:MOST_INTERVALS])
    trips: dict[int, list[RoundTrip]] = {}
    for trip in account.trips:
        trips.setdefault(trip.instrument, []).append(trip)
    return {
        name: _of_instrument(
            account, name, trips.get(at, []), by if name in busy else replace(by, intervals=False)
        )
        for at, name in enumerate(account.order)
    }


def _of_instrument(
    account: DayBook, name: str, trips: Sequence[RoundTrip], by: Yardstick
) -> tuple[Figure, ...]:
    days, holding = account.days, account.holdings[name]
    traded = _of_equity(days, [day.turnover.get(name, 0.0) for day in days])
    exposure = _a_minute(days, [day.exposure.get(name, 0.0) for day in days])
    return (
        *figures(np.array(by_instrument(days, name)), by),
        _hit_rate(trips, days),
        mean_figure("turnover a day, of equity", "ratio", traded, by),
        mean_figure("gross exposure, of equity", "share", exposure, by),
        _cost_share(holding.profit, float(holding.costs)),
    )


def _of_equity(days: Sequence[Day], amounts: Sequence[float]) -> FloatArray:
    return np.array(
        [
            amount / day.opening if day.opening > 0.0 else 0.0
            for day, amount in zip(days, amounts, strict=True)
        ]
    )


def _a_minute(days: Sequence[Day], sums: Sequence[float]) -> FloatArray:
    return np.array([total / (day.minutes or 1) for day, total in zip(days, sums, strict=True)])


def _hit_rate(trips: Sequence[RoundTrip], days: Sequence[Day]) -> Figure:
    name = "trades with a gain"
    if not trips:
        return Figure(name, "share", None, note="no closed trade")
    at = np.array([trip.exit_minute // 1440 - days[0].number for trip in trips])
    won = np.array([float(trip.net_bps > 0.0) for trip in trips])
    # A delisting may be booked after the last bar's day.
    n_days = int(at.max()) + 1
    found = ratio_interval(
        np.bincount(at, weights=won, minlength=n_days).astype(np.float64),
        np.bincount(at, minlength=n_days).astype(np.float64),
        HIT_LAG_DAYS,
    )
    value = float(won.mean())
    if found is None:
        return Figure(name, "share", value, note="no interval: too few days with trades")
    return Figure(name, "share", value, max(found.low, 0.0), min(found.high, 1.0))


def _cost_share(profit: float, paid: float) -> Figure:
    name, before = "costs, of the profit before them", profit + paid
    if before <= 0.0:
        return Figure(name, "share", None, note=f"no profit before costs ({before:,.2f})")
    return Figure(name, "share", paid / before, note="no interval: a sum")
