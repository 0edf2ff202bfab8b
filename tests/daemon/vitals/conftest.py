"""Random labels with what was said of them, as the engine hands them to vitals."""

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import beta, norm

from daemon.kernels import BoolArray, FloatArray
from daemon.labels import Matured

NORMAL_DECILES = norm.ppf(np.arange(1, 10) / 10).tolist()
DIRICHLET_DECILES = beta.ppf(np.arange(1, 10) / 10, 5.0, 10.0).tolist()


@dataclass(frozen=True)
class Judged:
    """A run's labels and what two experts and a blend had said."""

    n_minutes: int
    n_instruments: int
    horizon: int
    span: int
    matured: Matured
    said: FloatArray
    known: BoolArray

    def cut(self, first: int, end: int) -> tuple[int, int, Matured, FloatArray, BoolArray]:
        """Return what the engine would give for minutes [first, end)."""
        m = self.matured
        chosen = (m.at >= first) & (m.at < end)
        columns = ("decided", "instrument", "label", "ret", "weight", "sigma", "catch_up")
        part = Matured(
            at=m.at[chosen] - first,
            **{name: getattr(m, name)[chosen] for name in columns},
            void=np.zeros((end - first, 2), dtype=np.int64),
        )
        return first, end - first, part, self.said[chosen], self.known[chosen]


@pytest.fixture(scope="session")
def judged() -> Callable[..., Judged]:
    """Make labels of `n_minutes` x `n_instruments` whose first expert knows a little."""

    def make(
        seed: int, n_minutes: int = 200, n_instruments: int = 6, horizon: int = 7, catch_up: int = 0
    ) -> Judged:
        generator = np.random.default_rng(seed)
        shape = (n_minutes, n_instruments)
        decided, instrument = np.nonzero(generator.random(shape) < 0.8)
        at = decided + 1 + horizon + (generator.random(len(decided)) < 0.1) * generator.integers(1, 3)
        order = np.lexsort((instrument, decided, at))
        order = order[at[order] < n_minutes]
        decided, instrument, at = decided[order], instrument[order], at[order]
        n = len(order)
        ret = generator.standard_normal(n).round(1) * 1e-3
        label = np.where(ret > 4e-4, 2, np.where(ret < -4e-4, 0, 1)).astype(np.int8)
        logits = 0.3 * generator.standard_normal((n, 3, 3))
        logits[:, 0, 2] += 600.0 * ret
        said = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
        known = decided >= 10
        said[generator.random(n) < 0.1, 1] = np.nan
        said[~known] = 0.0
        matured = Matured(
            at=at,
            decided=decided,
            instrument=instrument,
            label=label,
            ret=ret,
            weight=np.ones(n),
            sigma=np.full(n, 1e-3),
            catch_up=decided < catch_up,
            void=np.zeros((n_minutes, 2), dtype=np.int64),
        )
        return Judged(n_minutes, n_instruments, horizon, horizon + 5, matured, said, known)

    return make


@pytest.fixture(scope="session")
def reference_fields() -> Callable[..., dict[str, object]]:
    """Make a bundle's drift reference of independent normal features over ten days, one instrument `x:A`."""

    def make(names: tuple[str, ...], seed: int, n_hours: int = 240) -> dict[str, object]:
        counts = np.random.default_rng(seed).multinomial(60, [0.1] * 10, (1, n_hours, len(names)))
        return {
            "features": list(names),
            "edges": [NORMAL_DECILES if len(names) == 2 else DIRICHLET_DECILES] * len(names),
            "instruments": ["x:A"],
            "first_minute": 0,
            "span_minutes": 60,
            "shape": list(counts.shape),
            "counts": base64.b64encode(zlib.compress(counts.astype("<u2").tobytes())).decode(),
        }

    return make
