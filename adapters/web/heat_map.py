"""A heat map as SVG: features down, days across, the colour is how far a feature was from training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from adapters.web.charts import WIDTH

ROW: Final = 15.0
LABELS: Final = 186.0
DATES: Final = 22.0
MOST_ROWS: Final = 40
MOST_COLUMNS: Final = 366
NARROW_LABELS: Final = 132.0
LETTER: Final = 7.2
"""Room of one letter of a label."""

DATE_ROOM: Final = 120.0
"""From one date to the next, `DATE_GAP` of it between them."""

DATE_GAP: Final = 50.0

LEVELS: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Upper bounds of the colours, in thresholds."""

FOLK_LEVELS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""The same in PSI, where no threshold is known."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A map ready for the page.

    Attributes:
        svg: The picture.
        keys: (CSS class, meaning) of its colours.
        shown: Features drawn.
        of: Features there are.
        days_in_column: How many days one column stands for; its largest value is drawn.
    """

    svg: str
    keys: tuple[tuple[str, str], ...]
    shown: int
    of: int
    days_in_column: int


def heat_map(drift: Mapping[str, Any], label: str, width: float = WIDTH) -> HeatMap:
    """Draw drift by day (`DriftMapFigures.to_plain`); `label` says to a screen reader what it shows."""
    limited = not drift["note"]
    levels = LEVELS if limited else FOLK_LEVELS
    features, days = drift["features"][:MOST_ROWS], drift["days"]
    step = max(1, -(-len(days) // MOST_COLUMNS))
    names = LABELS if width >= WIDTH else NARROW_LABELS
    wide = (width - names) / max(-(-len(days) // step), 1)
    cells: list[list[str]] = [[] for _ in range(len(levels) + 1)]
    for row, one in enumerate(features):
        for column, value in enumerate(_grouped(one["psi"], step)):
            degree = _degree(value, one["threshold"], limited=limited)
            if degree is not None:
                left, across = names + column * wide, max(wide - 0.6, 0.6)
                cell = f"M{left:.1f} {row * ROW:.1f}h{across:.1f}v{ROW - 1.5:.1f}h-{across:.1f}z"
                cells[_level(degree, levels)].append(cell)
    height = len(features) * ROW + DATES
    drawn = (f'<path class="heat h{at}" d="{"".join(one)}"/>' for at, one in enumerate(cells) if one)
    labels = (_label(one, row * ROW, names) for row, one in enumerate(features))
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
    svg = "".join([head, *labels, *drawn, *_dates(days[::step], names, wide, height), "</svg>"])
    keys = tuple((f"h{at}", text) for at, text in enumerate(_meanings(levels, limited=limited)))
    return HeatMap(svg, keys, len(features), len(drift["features"]), step)


def _degree(value: float | None, threshold: float | None, *, limited: bool) -> float | None:
    if value is None or (limited and threshold is None):
        return None
    return value if threshold is None else value / threshold


def _level(degree: float, levels: Sequence[float]) -> int:
    return sum(degree > level for level in levels)


def _meanings(levels: Sequence[float], *, limited: bool) -> list[str]:
    unit = " of the threshold" if limited else " PSI"
    inner = [f"to {level:g}" for level in levels[1:]]
    return [f"up to {levels[0]:g}{unit}", *inner, f"above {levels[-1]:g}"]


def _grouped(values: Sequence[float | None], step: int) -> list[float | None]:
    groups = [values[at : at + step] for at in range(0, len(values), step)]
    return [max((value for value in group if value is not None), default=None) for group in groups]


def _label(one: Mapping[str, Any], top: float, names: float) -> str:
    limit = "no threshold" if one["threshold"] is None else f"threshold {one['threshold']:.3f}"
    blind = "" if one["sees"] else "; a day is too short to show a shift of one standard deviation"
    title = f"{one['feature']}: above it on {one['odd_days']} days, {limit}{blind}"
    most = int(names / LETTER)
    name = one["feature"] if len(one["feature"]) <= most else one["feature"][: most - 1] + "…"
    place = f'x="{names - 6:g}" y="{top + ROW - 4:.1f}"'
    return f'<text class="tick y" {place}>{escape(name)}<title>{escape(title)}</title></text>'


def _dates(days: Sequence[str], names: float, wide: float, height: float) -> list[str]:
    step = max(1, -(-len(days) // max(1, int(wide * len(days) // DATE_ROOM))))
    return [
        f'<text class="tick" x="{names + at * wide:.1f}" y="{height - 6:g}">{escape(days[at])}</text>'
        for at in range(0, len(days), step)
        if at == 0 or (len(days) - at) * wide >= DATE_ROOM - DATE_GAP
    ]
