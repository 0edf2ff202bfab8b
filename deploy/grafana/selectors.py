"""Selectors of papertape's families as the dashboards write them, checked against what is served."""

from typing import Final

from adapters.prometheus.families import FAMILIES

OWN: Final = 'instance=~"$instance"'
"""Whom a dashboard shows: the variable `instance`, by default every instance of the run chosen."""

RESOURCES: Final = frozenset(
    {
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    }
)
"""What prometheus_client says of the process."""

_LABELS: Final = {family.name: family.labels for family in FAMILIES}
_HISTOGRAMS: Final = frozenset(family.name for family in FAMILIES if family.kind == "histogram")


def of(name: str, **labels: str) -> str:
    """Return the selector of a family's series, of the run chosen.

    Args:
        name: Of the family without its prefix; of a histogram with `_bucket`, `_sum` or `_count`.
        labels: What its labels must be; a value that begins with `~` is a pattern, with `!` an exclusion.

    Raises:
        KeyError: There is no such family, or it has no such label.
    """
    family, _, part = name.rpartition("_")
    known = _LABELS[family] if family in _HISTOGRAMS and part in {"bucket", "sum", "count"} else _LABELS[name]
    for label in labels:
        if label not in known:
            raise KeyError(f"papertape_{name} has no label {label!r}, only {known}")
    return f"papertape_{name}{{{', '.join([OWN, *(_matcher(*pair) for pair in labels.items())])}}}"


def resource(name: str) -> str:
    """Return the selector of a figure of the process.

    Raises:
        KeyError: There is none of this name.
    """
    if name not in RESOURCES:
        raise KeyError(name)
    return f"{name}{{{OWN}}}"


def _matcher(label: str, value: str) -> str:
    if value.startswith("~"):
        return f'{label}=~"{value[1:]}"'
    if value.startswith("!"):
        return f'{label}!="{value[1:]}"'
    return f'{label}="{value}"'
