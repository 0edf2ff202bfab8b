"""The dashboard *Trading*: what the run is worth, what it holds, what it decided and why not."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.frame import dashboard_of
from deploy.grafana.panels import (
    ABOVE_ZERO_IS_GOOD,
    Panel,
    Query,
    Steps,
    banded,
    bars,
    lines,
    number,
    states,
)
from deploy.grafana.selectors import of

MONEY = "none"
"""In the run's quote currency, which no unit of Grafana's knows."""


def trading() -> Dashboard:
    """Return the dashboard."""
    return dashboard_of(
        "trading",
        "Trading",
        "Equity with its band, drawdown, profit, exposure, trades, and what became of every decision.",
        (("Now", _now()), ("Money", _money()), ("Trades", _trades()), ("Decisions", _decisions())),
    )


def _now() -> list[Panel]:
    held = Query(f"{of('trading_state')} == 1", "{{state}}")
    net = Query(of("trade_return_ratio", part="net"), "net")
    return [
        number(
            "Equity",
            "At the fills expected.",
            MONEY,
            Query(of("equity", fills="expected"), "equity"),
            width=4,
        ),
        number(
            "Profit today",
            "Since the first minute of the UTC day.",
            MONEY,
            Query(of("pnl_day"), "today"),
            steps=ABOVE_ZERO_IS_GOOD,
        ),
        number(
            "Drawdown",
            "Below the highest equity so far.",
            "percentunit",
            Query(of("drawdown_ratio"), "now"),
            steps=Steps(("green", "yellow", "red"), (0.05, 0.15)),
        ),
        number(
            "Gross exposure",
            "Sum of what is held, long and short, over equity.",
            "percentunit",
            Query(of("exposure_ratio", side="gross"), "gross"),
        ),
        number("Positions", "Instruments held.", "none", Query(of("positions"), "held"), width=2),
        number("State", "The trading state in force.", "none", held, named=True),
        number(
            "Trades", "Round trips closed in the window of the vitals.", "none", Query(of("trades"), "trades")
        ),
        number(
            "Net a trade", "Mean after costs, in the window.", "percentunit", net, steps=ABOVE_ZERO_IS_GOOD
        ),
    ]


def _money() -> list[Panel]:
    equity = lines(
        "Equity",
        "The band lies between the best and the worst fills that the sealed bars allow.",
        MONEY,
        Query(of("equity", fills="expected"), "expected"),
        Query(of("equity", fills="best"), "best"),
        Query(of("equity", fills="worst"), "worst"),
        Query(of("capital"), "at the start"),
    )
    return [
        banded(equity, "worst", "best"),
        lines(
            "Drawdown",
            "1 less equity over its highest value. Beyond the limit risk.drawdown_mode is set.",
            "percentunit",
            Query(of("drawdown_ratio"), "now"),
            Query(of("drawdown_worst_ratio"), "worst so far"),
            Query(of("drawdown_limit_ratio"), "limit"),
        ),
        lines(
            "Profit",
            "Realised is before fees; costs are below.",
            MONEY,
            Query(of("pnl_realised"), "realised"),
            Query(of("pnl_unrealised"), "unrealised"),
            Query(of("pnl_day"), "today"),
        ),
        lines(
            "Costs so far",
            "Negative is received.",
            MONEY,
            Query(of("costs"), "{{component}}"),
            style="stacked",
        ),
        lines("Exposure", "Over equity.", "percentunit", Query(of("exposure_ratio"), "{{side}}")),
        lines(
            "Positions",
            "Value over equity, long above zero; the largest ones.",
            "percentunit",
            Query(of("position_weight_ratio"), "{{instrument}}"),
        ),
    ]


def _trades() -> list[Panel]:
    net = lines(
        "Net return of a round trip",
        "Mean in the window of the vitals, and its 95 % interval. While that holds zero, nobody can say "
        "whether the model earns its costs.",
        "percentunit",
        Query(of("trade_return_ratio", part="net"), "net"),
        Query(of("trade_net_bound_ratio", bound="low"), "low"),
        Query(of("trade_net_bound_ratio", bound="high"), "high"),
        steps=ABOVE_ZERO_IS_GOOD,
    )
    edge = lines(
        "Edge: promised and kept",
        "Mean log return that signals promised, and what came towards their side.",
        "percentunit",
        Query(of("edge_predicted_ratio", estimate="mean"), "promised"),
        Query(of("edge_realised_ratio", estimate="mean"), "kept"),
        Query(of("edge_realised_ratio", estimate="low"), "low"),
        Query(of("edge_realised_ratio", estimate="high"), "high"),
    )
    return [
        banded(net, "low", "high"),
        lines(
            "A round trip by part",
            "Before costs, what they are, after them; at best and at worst fills.",
            "percentunit",
            Query(of("trade_return_ratio"), "{{part}}"),
        ),
        lines(
            "Closed, by what ended them",
            "Round trips an hour.",
            "none",
            Query(f"sum by (reason) (increase({of('trades_closed_total')}[1h]))", "{{reason}}"),
            style="stacked",
        ),
        banded(edge, "low", "high"),
        lines(
            "Newest round trip of each instrument",
            "What it came to after costs, over what was opened.",
            "percentunit",
            Query(of("instrument_last_trade_return_ratio"), "{{instrument}}"),
            width=24,
            steps=ABOVE_ZERO_IS_GOOD,
        ),
    ]


def _decisions() -> list[Panel]:
    refused = f"sum by (step, reason) (increase({of('refusals_total')}[1h])) or vector(0)"
    return [
        bars(
            "Funnel of the last hour",
            "Instrument-minutes that came so far.",
            "none",
            Query(f"sum by (step) (increase({of('funnel_total')}[1h]))", "{{step}}"),
        ),
        lines(
            "Refused",
            "Instrument-minutes and orders that fell out of the funnel, by step and reason.",
            "none",
            Query(refused, "{{step}}: {{reason}}"),
            style="stacked",
        ),
        lines(
            "Orders",
            "An hour, by reason.",
            "none",
            Query(f"sum by (reason) (increase({of('orders_total')}[1h]))", "{{reason}}"),
            style="stacked",
        ),
        lines(
            "Fills",
            "An hour, by kind.",
            "none",
            Query(f"sum by (kind) (increase({of('fills_total')}[1h]))", "{{kind}}"),
            style="stacked",
        ),
        states(
            "Trading state",
            "The state in force; what is not normal was set by a rule or by hand.",
            Query(of("trading_state"), "{{state}}"),
            width=24,
            steps=Steps(("transparent", "blue"), (1.0,)),
        ),
    ]
