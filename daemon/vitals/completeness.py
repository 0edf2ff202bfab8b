"""What was missing, in words and as a table: the summary's answer to how much of a market a run saw."""

from collections.abc import Mapping, Sequence
from typing import Final

from daemon.bars.coverage import CoverageFigures

BARS_COLUMNS: Final = (
    *("instrument", "expected", "received", "no trade", "flat", "absent", "gaps", "longest gap"),
)
MOST_ROWS: Final = 20
"""The table shows so many instruments, those with the largest absent share; the last row is of all."""

OUTSIDE: Final = "outside sessions"
MOST_NAMES: Final = 5


def bars_panel(
    figures: Sequence[CoverageFigures],
) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return title, columns and rows: bars expected, received (how many without a trade), made, absent."""
    worst = sorted(figures, key=lambda f: (-_share(f.absent, f.expected), f.instrument))[:MOST_ROWS]
    rows = [_row(f) for f in sorted(worst, key=lambda f: f.instrument)]
    if len(figures) > 1:
        rows.append(_row(_total(figures)))
    return "bars expected and received", BARS_COLUMNS, tuple(rows)


def missing_facts(figures: Sequence[CoverageFigures], outside: Mapping[str, int]) -> dict[str, str]:
    """Say what the table does not: late beginnings, early ends, bars outside sessions, bars refused.

    Args:
        figures: Of every instrument.
        outside: By instrument, bars of the files that lie outside its sessions.

    Returns:
        By subject; subjects of which there is nothing to say are left out.
    """
    told = {
        "no bar yet": {f.instrument: f.early for f in figures if f.early},
        "no bar at the end": {f.instrument: f.open_gap for f in figures if f.open_gap},
        OUTSIDE: {name: count for name, count in sorted(outside.items()) if count},
        "bars refused": {f.instrument: f.refused for f in figures if f.refused},
    }
    words = {
        "no bar yet": "for the first {} min",
        "no bar at the end": "for the last {} min",
        OUTSIDE: "{} bars left out",
        "bars refused": "{} bars",
    }
    return {subject: _listed(by_name, words[subject]) for subject, by_name in told.items() if by_name}


def _listed(counts: Mapping[str, int], words: str) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {words.format(f'{count:,}')}" for name, count in most[:MOST_NAMES]]
    rest = len(most) - len(shown)
    return ", ".join(shown) + (f", and {rest} more" if rest else "")


def _row(figures: CoverageFigures) -> tuple[str, ...]:
    f = figures
    absent = f"{f.absent:,} ({_share(f.absent, f.expected):.1%})"
    counts = (f.expected, f.received, f.untraded, f.synthetic)
    return (
        f.instrument,
        *(f"{count:,}" for count in counts),
        absent,
        f"{f.gaps:,}",
        f"{f.longest_gap:,} min",
    )


def _total(figures: Sequence[CoverageFigures]) -> CoverageFigures:
    counted = ("expected", "received", "synthetic", "untraded", "refused", "gaps", "early")
    return CoverageFigures(
        f"all {len(figures)}",
        **{name: sum(getattr(f, name) for f in figures) for name in counted},
        longest_gap=max(f.longest_gap for f in figures),
        open_gap=min(f.open_gap for f in figures),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
