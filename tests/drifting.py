"""Autocorrelated panels for tests and studies of drift: what training would keep of them, and what lives on.

Constants of drift were chosen on seeds below `FRESH`; tests use seeds from there on.
"""

import math
from typing import Any, Final

import numpy as np
from scipy.signal import lfilter

from daemon.kernels import FloatArray, IntArray
from daemon.training.reference import Reference, equal_mass_edges
from daemon.vitals.drift import Drift
from daemon.vitals.drift_reference import DriftReference

FRESH: Final = 60_000
WEEK: Final = 10_080
BURN_IN: Final = 2_000


def ar1(generator: np.random.Generator, n_minutes: int, n_features: int, rho: float) -> FloatArray:
    """Return stationary AR(1) features of variance one, (n_minutes, n_features)."""
    noise = generator.standard_normal((n_minutes + BURN_IN, n_features))
    filtered = lfilter([math.sqrt(1.0 - rho * rho)], [1.0, -rho], noise, axis=0)
    return np.ascontiguousarray(filtered[BURN_IN:])


def names_of(values: FloatArray) -> tuple[str, ...]:
    """Return f0, f1, ... for the columns of values (n_rows, n_features)."""
    return tuple(f"f{number}" for number in range(values.shape[1]))


def kept(values: FloatArray, names: tuple[str, ...] = (), instruments: tuple[str, ...] = ("a",)) -> Any:
    """Return the fields that training would keep of values (n_minutes, n_features), all instruments alike."""
    minute, columns = np.arange(len(values)), np.arange(values.shape[1])
    watched = names or names_of(values)
    reference = Reference(watched, columns, equal_mass_edges(values), instruments, 0, len(values) - 1)
    for number in range(len(instruments)):
        reference.add(minute, np.full(len(values), number), values)
    return reference.to_fields()


def learned(values: FloatArray, window_minutes: int = WEEK, rate: float = 0.01) -> DriftReference:
    """Return what drift is measured against after training on values (n_minutes, n_features)."""
    return DriftReference.of(kept(values), ("a",), window_minutes, rate)


def lived(reference: DriftReference, values: FloatArray) -> Drift:
    """Return the vital after one instrument lived through values (n_minutes, n_features)."""
    drift = Drift(reference)
    column: IntArray = np.zeros(len(values), dtype=np.int64)
    drift.update(np.arange(len(values)), column, values)
    return drift
