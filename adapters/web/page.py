"""The page of a report, from the report's plain data (`Report.to_plain`)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adapters.web.charts import Axes, Series

_MOVES: Final = ("down", "flat", "up")
_SMALL_WIDTH: Final = 460.0
_SMALL_HEIGHT: Final = 300.0
MOST_PRICES: Final = 16
"""Prices are drawn of so many instruments, those with the most fills."""

_UNKNOWN: Final = "–"  # noqa: RUF001 - typography


def page(report: Mapping[str, Any]) -> str:
    """Return a report as one HTML file: style and pictures inside, no script, no address outside it."""
    environment = Environment(
        loader=PackageLoader("adapters.web", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(money=_money, share=_share, number=_number, said=_said, interval=_interval)
    template = environment.get_template("report.html.j2")
    return template.render(
        r=report,
        tone=_tone(report["trades"]["interval"], report["verdict"]),
        cards=_cards(report),
        equity=_equity(report["curves"]),
        drawdown=_drawdown(report["curves"]),
        profit=_profit(report["curves"]),
        prices=[_price(report["curves"]["minute"], one) for one in _most_traded(report["prices"])],
        n_prices=len(report["prices"]),
        costs=_costs(report["run"]["paid"]),
        experts=[_expert(one) for one in report["experts"]],
        moves=_MOVES,
    )


def _tone(interval: Mapping[str, float] | None, verdict: str) -> str:
    """Return how the verdict is coloured: by what it says, and only where it says something."""
    if interval is None or verdict.startswith("too few"):
        return "unsure"
    return "good" if interval["low"] > 0.0 else "bad" if interval["high"] < 0.0 else "unsure"


def _cards(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (title, figure, what else) of the figures that stand on top."""
    run, trades = report["run"], report["trades"]
    named = {figure["name"]: figure for figure in report["figures"]}
    sharpe, drop = named["Sharpe, annualised"], named["return"]
    return [
        ("Return", _said(drop), f"{_money(run['equity'])} of {_money(run['capital'])} {run['quote']}"),
        ("Net a trade", f"{trades['net_bps']:+.1f} bps", f"{trades['count']:,} closed trades"),
        ("Costs a trade", f"{trades['cost_bps']:.1f} bps", f"gross {trades['gross_bps']:+.1f} bps"),
        ("Sharpe", _said(sharpe), _interval(sharpe)),
        ("Deepest drawdown", _share(max(report["curves"]["drawdown"])), "by the minute"),
    ]


def _equity(curves: Mapping[str, Any]) -> Markup:
    band = Series("band", curves["best"], curves["worst"])
    axes = Axes(curves["minute"], (band, Series("line a", curves["equity"])), height=280.0)
    return Markup(axes.svg("Equity with its band"))  # noqa: S704 - built of numbers and escaped text


def _drawdown(curves: Mapping[str, Any]) -> Markup:
    below = [-share for share in curves["drawdown"]]
    area = Series("area down", [0.0] * len(below), below)
    axes = Axes(curves["minute"], (area, Series("line down", below)), height=140.0, form="{:.1%}".format)
    return Markup(axes.svg("Drawdown"))  # noqa: S704 - as above


def _profit(curves: Mapping[str, Any]) -> Markup:
    lines = (Series("line b", curves["before_costs"]), Series("line a", curves["profit"]))
    return Markup(Axes(curves["minute"], lines, height=240.0).svg("Cumulative profit"))  # noqa: S704 - ditto


def _price(minute: Sequence[int], one: Mapping[str, Any]) -> tuple[str, Markup, int]:
    axes = Axes(minute, (Series("line c", one["close"]),), height=220.0, form="{:,.6g}".format)
    for at, price, side in one["marks"]:
        axes.mark(
            at, price, "buy" if side > 0 else "sell", f"{'bought' if side > 0 else 'sold'} at {price:,.8g}"
        )
    return one["instrument"], Markup(axes.svg(f"Price of {one['instrument']}")), len(one["marks"])  # noqa: S704 - ditto


def _most_traded(prices: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(prices, key=lambda one: -len(one["marks"]))[:MOST_PRICES]


def _costs(paid: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return (component, amount, width of its bar in percent)."""
    most = max((abs(amount) for amount in paid.values()), default=0.0) or 1.0
    return [(name.replace("_", " "), amount, 100.0 * abs(amount) / most) for name, amount in paid.items()]


def _expert(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an expert with its pictures and its confusion matrix as shares of what came."""
    rows = [
        [(count, count / (sum(row) or 1), came == said) for said, count in enumerate(row)]
        for came, row in enumerate(one["confusion"])
    ]
    return {**one, "rows": rows, "reliability": _reliability(one), "roc": _roc(one)}


def _reliability(one: Mapping[str, Any]) -> Markup:
    points = [(p, share, n, way) for way in ("up", "down") for p, share, n in one[way]["reliability"]]
    most = max([0.05, *(max(p, share) for p, share, _, _ in points)])
    edge = min(1.0, most * 1.08)
    axes = Axes(
        (0.0, edge),
        (Series("line ideal", (0.0, edge)),),
        _SMALL_HEIGHT,
        "{:.2f}".format,
        time=False,
        width=_SMALL_WIDTH,
    )
    for p, share, count, way in points:
        axes.mark(p, share, way, f"said {p:.3f}, came {share:.3f}, {count:,} decisions")
    return Markup(axes.svg(f"Reliability of {one['name']}"))  # noqa: S704 - as above


def _roc(one: Mapping[str, Any]) -> Markup:
    grid = [number / 100 for number in range(101)]
    lines = [Series("line ideal", grid)]
    lines += [
        Series(f"line {way}", _on_grid(one[way]["roc"], grid)) for way in ("up", "down") if one[way]["roc"]
    ]
    axes = Axes(grid, lines, _SMALL_HEIGHT, "{:.2f}".format, time=False, width=_SMALL_WIDTH)
    return Markup(axes.svg(f"ROC of {one['name']}"))  # noqa: S704 - as above


def _on_grid(curve: Sequence[Sequence[float]], grid: Sequence[float]) -> list[float]:
    """Return the ROC curve's height at every place of `grid`, between its points on straight lines."""
    heights, at = [], 0
    for x in grid:
        while at + 1 < len(curve) - 1 and curve[at + 1][0] <= x:
            at += 1
        (x0, y0), (x1, y1) = curve[at], curve[at + 1]
        heights.append(y1 if x1 <= x0 else y0 + (y1 - y0) * min(1.0, (x - x0) / (x1 - x0)))
    return heights


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _share(share: float | None) -> str:
    return _UNKNOWN if share is None else f"{share:.2%}"


def _number(number: float | None, form: str = "+.1f") -> str:
    return _UNKNOWN if number is None else format(number, form)


def _said(figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    return _share(value) if figure["unit"] == "share" else _number(value, ".2f")


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["low"] is None:
        return str(figure["note"])
    low, high = ({**figure, "value": figure[end]} for end in ("low", "high"))
    return f"{_said(low)} to {_said(high)}"
