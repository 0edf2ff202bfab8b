"""What this machine computes and with which versions, so that a mismatch can be named for what it is.

A tape promises bits. They depend on the processor (without fused multiply-add some differ), on the C library
and on the versions of what computes; a tape records both, so that `verify` can tell another machine from a
damaged tape.
"""

import math
import platform
from collections.abc import Mapping
from hashlib import blake2b
from importlib.metadata import version
from typing import Final

import lightgbm
import numpy as np
import polars as pl
from river import linear_model, preprocessing

from daemon import __version__

COMPUTING: Final = ("lightgbm", "numpy", "polars", "river")
"""Distributions whose version can change a bit of the outcome."""

_N = 512


def versions() -> Mapping[str, str]:
    """Return the version of papertape, of Python and of every distribution that computes, by name."""
    own = {"papertape": __version__, "python": platform.python_version()}
    return {**own, **{name: version(name) for name in COMPUTING}}


def arithmetic() -> str:
    """Return a hash of what this machine's arithmetic makes of fixed inputs.

    Scalar log and exp, polars' log and exponential average, a small booster trained and asked, a few steps
    of an online learner: whatever kind of float work reaches a decision.
    """
    grid = np.arange(1, _N + 1) * 0.0371
    state = blake2b(digest_size=16)
    state.update(np.array([math.log(x) for x in grid.tolist()]).tobytes())
    state.update(np.array([math.exp(-x) for x in grid.tolist()]).tobytes())
    column = pl.Series(grid)
    state.update(column.log().to_numpy().tobytes())
    state.update(column.ewm_mean(span=14, adjust=False).to_numpy().tobytes())
    state.update(_booster(grid).tobytes())
    state.update(_learner(grid).tobytes())
    return state.hexdigest()


def _booster(grid: np.ndarray) -> np.ndarray:
    features = np.column_stack([np.modf(grid * k)[0] for k in (1.0, 7.3, 19.1)])
    target = (features.sum(axis=1) > 1.5).astype(np.int64)
    settings = {
        "objective": "binary",
        "num_leaves": 7,
        "verbose": -1,
        "num_threads": 1,
        "deterministic": True,
    }
    booster = lightgbm.train({**settings, "force_row_wise": True}, lightgbm.Dataset(features, target), 5)
    return np.asarray(booster.predict(features, num_threads=1))


def _learner(grid: np.ndarray) -> np.ndarray:
    learner = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    said = []
    for value in grid[:64].tolist():
        features = {"a": math.modf(value)[0], "b": math.modf(value * 7.3)[0]}
        said.append(learner.predict_proba_one(features)[True])
        learner.learn_one(features, features["a"] > 0.5)
    return np.array(said)
