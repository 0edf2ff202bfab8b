"""In which form an expert is judged: as it speaks itself, or as its calibrator lets it be heard."""

from collections.abc import Iterable
from typing import Final, Literal

import numpy as np

from daemon.kernels import FloatArray

Form = Literal["calibrated", "raw"]

CALIBRATED: Final = "calibrated"
"""What is traded on. The blend, and an expert that needs no calibrator, have this form alone."""

RAW: Final = "raw"


Series = tuple[tuple[str, Form], ...]
"""Name and form of everything that is judged, in the order of columns."""


def forms_of(names: Iterable[str], raw: Iterable[str]) -> Series:
    """Return name and form of every series that is judged: all as they are traded on, then the raw ones."""
    return (*((name, CALIBRATED) for name in names), *((name, RAW) for name in raw))


def traded_of(series: Series) -> tuple[str, ...]:
    """Return the names of what is traded on: the experts, then the blend."""
    return tuple(name for name, form in series if form == CALIBRATED)


def columns_of(said: FloatArray, series: Series, wanted: Series) -> FloatArray:
    """Return (n_labels, n_wanted, 3) of what was said: NaN for a series that is not there.

    Args:
        said: (n_labels, n_series, 3).
        series: What its columns are.
        wanted: The series to return.
    """
    if series[: len(wanted)] == wanted:
        return said[:, : len(wanted)]
    place = {one: at for at, one in enumerate(series)}
    out = np.full((len(said), len(wanted), said.shape[2]), np.nan)
    for at, one in enumerate(wanted):
        if one in place:
            out[:, at] = said[:, place[one]]
    return out
