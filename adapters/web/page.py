"""The page of a report, from the report's plain data (`Report.to_plain`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adapters.web.charts import NARROW, WIDTH, Axes, Series, amount_tick, percent_tick, plain_tick
from adapters.web.heat_map import heat_map

_MOVES: Final = ("down", "flat", "up")
_SMALL_WIDTH: Final = 460.0
_SMALL_HEIGHT: Final = 300.0
MOST_PRICES: Final = 16
"""Prices are drawn of so many instruments, those with the most fills."""

MOST_STATES: Final = 8
MARK_ROOM: Final = 6.0
"""One mark for so much width of a price chart."""

RATIOS: Final = {
    "return": "return",
    "Sharpe, annualised": "Sharpe",
    "Sortino, annualised": "Sortino",
    "Calmar": "Calmar",
    "Omega": "Omega",
    "tail ratio": "tail ratio",
    "max drawdown, daily": "drawdown",
    "value at risk, 5 % of days": "VaR 5\u00a0%",
    "alpha, annualised": "alpha",
    "beta": "beta",
    "probabilistic Sharpe: P(true Sharpe > 0)": "PSR",
    "deflated Sharpe: P(true Sharpe > luck's best)": "DSR",
}
ACCOUNT: Final = {
    "trades with a gain": "trades with a gain",
    "turnover a day, of equity": "turnover a day",
    "gross exposure, of equity": "exposure",
    "costs, of the profit before them": "costs of profit",
}
"""Figures by instrument, with the heads of their columns."""

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
    environment.filters.update(age=_age, capitalised=_capitalised, count_of=_count_of)
    template = environment.get_template("report.html.j2")
    return template.render(
        r=report,
        tone=_tone(report["trades"]["interval"], report["verdict"]),
        cards=_cards(report),
        equity=_equity(report["curves"], report["training"]["minute"]),
        drawdown=_drawdown(report["curves"]),
        profit=_profit(report["curves"], report["training"]["minute"]),
        prices=[_price(report["curves"]["minute"], one) for one in _most_traded(report["prices"])],
        ratios=_by_instrument(report["instruments"], RATIOS),
        account=_by_instrument(report["instruments"], ACCOUNT),
        maps=[_drift(subject, found) for subject, found in report["drift"].items() if subject != "none"],
        n_prices=len(report["prices"]),
        costs=_costs(report["run"]["paid"]),
        experts=[_expert(one) for one in report["experts"]],
        moves=_MOVES,
        states=report["state_changes"][-MOST_STATES:],
        ratio_heads=list(RATIOS.values()),
        account_heads=list(ACCOUNT.values()),
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
    net, cost, gross = _UNKNOWN, _UNKNOWN, "no closed trade"
    if trades["count"]:
        net, cost = f"{trades['net_bps']:+.1f} bps", f"{trades['cost_bps']:.1f} bps"
        gross = f"gross {trades['gross_bps']:+.1f} bps"
    sharpe, drop = named["Sharpe, annualised"], named["return"]
    return [
        ("Return", _said(drop), f"{_money(run['equity'])} of {_money(run['capital'])} {run['quote']}"),
        ("Net a trade", net, _count_of(trades["count"], "closed trade")),
        ("Costs a trade", cost, gross),
        ("Sharpe", _said(sharpe), _interval(sharpe)),
        ("Deepest drawdown", _share(max(report["curves"]["drawdown"])), "by the minute"),
    ]


def _drawn(draw: Callable[[float], str]) -> Markup:
    """Return a picture twice, for wide and for narrow windows: the page's style shows one of them."""
    pictures = f'<div class="wide">{draw(WIDTH)}</div><div class="narrow">{draw(NARROW)}</div>'
    return Markup(pictures)  # noqa: S704 - built of numbers and escaped text


def _equity(curves: Mapping[str, Any], trained: int | None) -> Markup:
    band = Series("band", curves["best"], curves["worst"])

    def draw(width: float) -> str:
        axes = Axes(curves["minute"], (band, Series("line a", curves["equity"])), 280.0, width=width)
        _divide(axes, trained)
        return axes.svg("Equity with its band")

    return _drawn(draw)


def _drawdown(curves: Mapping[str, Any]) -> Markup:
    below = [-share for share in curves["drawdown"]]
    shapes = (Series("area down", [0.0] * len(below), below), Series("line down", below))
    return _drawn(
        lambda width: Axes(curves["minute"], shapes, 140.0, percent_tick, width=width, least=0.01).svg(
            "Drawdown"
        )
    )


def _profit(curves: Mapping[str, Any], trained: int | None) -> Markup:
    lines = (Series("line b", curves["before_costs"]), Series("line a", curves["profit"]))

    def draw(width: float) -> str:
        axes = Axes(curves["minute"], lines, 240.0, width=width)
        _divide(axes, trained)
        return axes.svg("Cumulative profit")

    return _drawn(draw)


def _divide(axes: Axes, trained: int | None) -> None:
    if trained is not None:
        axes.divide(trained, "training ends")


def _price(minute: Sequence[int], one: Mapping[str, Any]) -> tuple[str, Markup, int]:
    def draw(width: float) -> str:
        axes = Axes(minute, (Series("line c", one["close"]),), 220.0, plain_tick, width=width)
        step = max(1, round(len(one["marks"]) / (width / MARK_ROOM)))
        for at, price, side in one["marks"][::step]:
            said = "bought" if side > 0 else "sold"
            axes.mark(at, price, "buy" if side > 0 else "sell", f"{said} at {price:,.8g}")
        return axes.svg(f"Price of {one['instrument']}")

    return one["instrument"], _drawn(draw), len(one["marks"])


def _drift(subject: str, found: Mapping[str, Any]) -> dict[str, Any]:
    label = f"Drift of {subject} by day"
    made = heat_map(found, label)
    left_out = made.of - made.shown
    return {
        **found,
        "subject": subject,
        "legend": made.keys,
        "rows": f"The {made.shown} oddest of {made.of} features, the oddest on top." if left_out else "",
        "columns": f"A column is the worst of {made.days_in_column} days." if made.days_in_column > 1 else "",
        "picture": _drawn(lambda width: heat_map(found, label, width).svg),
    }


def _by_instrument(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]
) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """Return by instrument (value, low, high, why there is none) of the figures that `columns` names."""
    table = []
    for row in rows:
        named = {figure["name"]: figure for figure in row["figures"]}
        cells = [(_said(f), *_ends(f), f["note"]) for f in (named[name] for name in columns)]
        table.append((row["instrument"], cells))
    return table


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
        amount_tick,
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
    axes = Axes(grid, lines, _SMALL_HEIGHT, amount_tick, time=False, width=_SMALL_WIDTH)
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
    low, high = _ends(figure)
    return f"{low} to {high}" if low else str(figure["note"])


def _ends(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Return both ends of a figure's interval as text; empty where it has none."""
    if figure["low"] is None:
        return "", ""
    return _said({**figure, "value": figure["low"]}), _said({**figure, "value": figure["high"]})


def _age(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return "now" if not minutes else f"{hours:,} h {rest} min" if hours else f"{rest} min"


def _capitalised(text: str) -> str:
    """Return a sentence with its first letter large; the rest (names!) as it is."""
    return text[:1].upper() + text[1:]


def _count_of(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
