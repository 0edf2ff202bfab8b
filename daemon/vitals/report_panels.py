"""Tables of a report, from its plain data."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from daemon.events import StateChange
from daemon.vitals.drift_map import DriftMapFigures
from daemon.vitals.moment import clock
from daemon.vitals.skill_panels import UNKNOWN, Panel

MOST_FEATURES: Final = 8
MOST_CHANGES: Final = 10
MOST_COLUMNS: Final = 8
"""Of more instruments the ratios stand in `--json` and on the page alone: no terminal is so wide."""


def instrument_panels(rows: Sequence[Mapping[str, Any]], quote: str) -> tuple[Panel, ...]:
    """Return the account of every instrument, and the ratios of its share of the return."""
    columns = ("instrument", f"profit {quote}", "costs", "trades", "net bps", "oldest mark")
    money = tuple(
        (
            row["instrument"],
            f"{row['profit']:+,.2f}",
            f"{row['costs']:,.2f}",
            f"{row['trades']:,}",
            UNKNOWN if row["net_bps"] is None else f"{row['net_bps']:+.1f}",
            age_text(row["oldest_mark_minutes"]),
        )
        for row in rows
    )
    names = [figure["name"] for figure in rows[0]["figures"]] if rows else []
    by_figure = tuple(
        (name, *(figure_text(row["figures"][at])[0] for row in rows)) for at, name in enumerate(names)
    )
    shown = tuple(row["instrument"] for row in rows)
    panels: tuple[Panel, ...] = (("by instrument", columns, money),)
    if 1 < len(shown) <= MOST_COLUMNS:
        panels += (("figures of each instrument's share", ("figure", *shown), by_figure),)
    return panels


def held_panel(positions: Sequence[Mapping[str, Any]]) -> Panel:
    """Return what is held at the end, each position with the age of the price it is valued at."""
    rows = tuple(
        (
            held["instrument"],
            f"{held['quantity']:+g}",
            f"{held['value']:+,.2f}",
            f"{held['mark']:,.8g}",
            held["marked"],
            age_text(held["age_minutes"]),
        )
        for held in positions
    )
    return "held at the end", ("instrument", "quantity", "value", "price", "of", "age"), rows


def states_panel(changes: Sequence[StateChange]) -> Panel:
    """Return the newest moves of the trading state, and how many there were."""
    rows = tuple((clock(c.minute), str(c.before), str(c.after), c.cause) for c in changes[-MOST_CHANGES:])
    title = f"trading state, {len(changes)} moves"
    return title, ("minute", "before", "after", "cause"), rows


def drift_panel(subject: str, found: DriftMapFigures) -> Panel:
    """Return the features that were above their threshold on the most days."""
    title = f"drift by day, {subject}: {found.judged_days} days judged"
    odd = found.odd_days.tolist()
    plain = found.to_plain()["features"][:MOST_FEATURES]
    if found.limit_note:
        return title, (), (("cannot tell", found.limit_note),)
    rows = tuple(
        (
            one["feature"],
            f"{one['odd_days']:,}",
            f"{max((value for value in one['psi'] if value is not None), default=0.0):.3f}",
            f"{one['threshold']:.3f}",
        )
        for one in plain
        if one["odd_days"]
    ) or ((f"none of {len(odd)}", "0", UNKNOWN, UNKNOWN),)
    return title, ("feature", "days above", "largest PSI", "threshold"), rows


def age_text(minutes: int) -> str:
    """Return how old a price is: `now`, `1 min`, `2 h 5 min`."""
    if not minutes:
        return "now"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def figure_text(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Return a figure's value and its interval, or why there is none, as text."""

    def said(number: float) -> str:
        return f"{number:.2%}" if figure["unit"] == "share" else f"{number:.2f}"

    value = UNKNOWN if figure["value"] is None else said(figure["value"])
    if figure["low"] is None:
        return value, str(figure["note"])
    return value, f"{said(figure['low'])} to {said(figure['high'])}"
