"""Positions, trades and decisions as series for whoever watches from outside."""

from collections.abc import Iterable, Mapping, Sequence

from daemon.policy.funnel import FunnelCounts
from daemon.positions.trips import LastTrips
from daemon.vitals.held import HeldPosition
from daemon.vitals.trades import TradeFigures

Series = dict[str, dict[tuple[str, ...], float]]


def one(value: object) -> dict[tuple[str, ...], float]:
    """Return the series of a family without labels."""
    return {(): float(value)}  # type: ignore[arg-type]  # Decimal, int or float


def positions_series(held: Sequence[HeldPosition], shown: int) -> Series:
    """Return what is held: sums over all, and series of the largest positions, at most `shown`."""
    largest = sorted(held, key=lambda p: (-abs(p.weight), p.instrument))[:shown]
    return {
        "positions": one(len(held)),
        "pnl_unrealised": one(sum(p.unrealised for p in held)),
        "position_quantity": {(p.instrument,): float(p.quantity) for p in largest},
        "position_weight_ratio": {(p.instrument,): p.weight for p in largest},
        "position_pnl_unrealised": {(p.instrument,): float(p.unrealised) for p in largest},
    }


def trades_series(trades: TradeFigures) -> Series:
    """Return what round trips in the window came to."""
    found: Series = {"trades": one(trades.count)}
    if trades.count:
        parts = {
            "gross": trades.gross_bps,
            "cost": trades.cost_bps,
            "net": trades.net_bps,
            "best": trades.best_bps,
            "worst": trades.worst_bps,
        }
        found["trade_return_ratio"] = {(part,): bps / 1e4 for part, bps in parts.items()}
    if trades.interval is not None:
        low, high = trades.interval.low / 1e4, trades.interval.high / 1e4
        found["trade_net_bound_ratio"] = {("low",): low, ("high",): high}
    return found


def last_trades_series(trips: LastTrips, names: Sequence[str], shown: int) -> Series:
    """Return the newest round trips: of all instruments, and of each, at most `shown`."""
    newest = {names[i]: trip for i, trip in sorted(trips.by_instrument.items())[:shown]}
    found: Series = {
        "trades_closed_total": {(reason,): float(count) for reason, count in sorted(trips.closed.items())},
        "instrument_last_trade_timestamp_seconds": {
            (name,): 60.0 * trip.exit_minute for name, trip in newest.items()
        },
        "instrument_last_trade_return_ratio": {(name,): trip.net_bps / 1e4 for name, trip in newest.items()},
        "instrument_last_trade_info": {
            (name, "long" if trip.side > 0 else "short", trip.exit_kind): 1.0 for name, trip in newest.items()
        },
    }
    if trips.recent:
        found["last_trade_timestamp_seconds"] = one(60.0 * trips.recent[-1].exit_minute)
        found["last_trade_return_ratio"] = one(trips.recent[-1].net_bps / 1e4)
    return found


def funnel_series(counts: FunnelCounts) -> Series:
    """Return the decision funnel with its reasons."""
    steps = ("scored", "has_edge", "passes_limits", "ordered", "filled")
    fell_out: Iterable[tuple[str, Mapping[str, int]]] = (
        ("scored", counts.not_scored),
        ("has_edge", counts.gate),
        ("passes_limits", counts.limits),
        ("ordered", counts.placing),
        ("filled", counts.unfilled),
    )
    return {
        "funnel_total": {(step,): float(getattr(counts, step)) for step in steps},
        "refusals_total": {
            (step, reason): float(count) for step, reasons in fell_out for reason, count in reasons.items()
        },
        "exits_total": {(reason,): float(count) for reason, count in counts.exits.items()},
    }
