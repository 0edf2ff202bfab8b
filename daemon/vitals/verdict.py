"""The one sentence that a summary ends in."""

from typing import Final

from daemon.vitals.trades import TradeFigures

MIN_TRADES: Final = 30
"""Fewer closed trades than this say nothing, whatever their interval."""


def verdict(trades: TradeFigures) -> str:
    """Say whether trading the model earns its costs, e.g.

    `gross +1.4, cost 10.0, net -8.6 bps a trade, 95 % interval -12.1 to -5.2: losing after costs`.
    """
    interval = trades.interval
    if trades.count < MIN_TRADES or interval is None:
        return f"too few trades to tell ({trades.count})"
    if interval.above_zero:
        meaning = "earning after costs"
    elif interval.below_zero:
        meaning = "losing after costs"
    else:
        meaning = "not distinguishable from zero"
    return (
        f"gross {trades.gross_bps:+.1f}, cost {trades.cost_bps:.1f}, net {trades.net_bps:+.1f} bps a trade, "
        f"95 % interval {interval.low:+.1f} to {interval.high:+.1f}: {meaning}"
    )
