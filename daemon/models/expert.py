"""What an expert is: anything that turns features into probabilities of down, flat and up.

Two kinds. An `Expert` is fixed: its scores depend on the row alone. A `Learner` is taught by labels as they
mature, in order, and predicts in between. Both may come from a stranger's package through the entry-point
group `papertape.experts`: an entry point names an `ExpertFactory`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from daemon.errors import BrokenBoundError, BundleError
from daemon.kernels import FloatArray, IntArray
from daemon.labels.matured import N_CLASSES
from daemon.models.simplex import normalised


@runtime_checkable
class Expert(Protocol):
    """A fixed expert.

    Attributes:
        name: Its name in decisions, weights and metrics: an identifier.
        row_stable: A row's bits never depend on how many rows are scored together, or on threads. One that
            cannot promise it is scored minute by minute at a fixed, padded shape (slow).
    """

    @property
    def name(self) -> str:
        """Its name in decisions, weights and metrics."""

    @property
    def row_stable(self) -> bool:
        """Whether a row's bits never depend on the rows beside it."""

    def score(self, values: FloatArray) -> FloatArray:
        """Return log-probabilities (n_rows, 3) of features (n_rows, n_features), finite, C-contiguous."""


@dataclass(frozen=True, slots=True, eq=False)
class LearnerBatch:
    """What a learner sees of a chunk. Rows and labels are ascending by minute.

    Attributes:
        n_minutes: Minutes of the chunk.
        row_minute: (n_rows,) row of the chunk.
        row_values: (n_rows, n_features) the learner's own features, finite.
        matured_at: (n_labels,) row of the chunk in which the label matured.
        matured_values: (n_labels, n_features) the features at the label's decision.
        matured_label: (n_labels,) a `Move`.
        matured_weight: (n_labels,).
    """

    n_minutes: int
    row_minute: IntArray
    row_values: FloatArray
    matured_at: IntArray
    matured_values: FloatArray
    matured_label: npt.NDArray[np.int8]
    matured_weight: FloatArray


@runtime_checkable
class Learner(Protocol):
    """An expert that learns while it predicts, and whose state is plain data.

    Attributes:
        name: Its name in decisions, weights and metrics: an identifier.
        features: The features it takes, in its order.
    """

    @property
    def name(self) -> str:
        """Its name in decisions, weights and metrics."""

    @property
    def features(self) -> tuple[str, ...]:
        """The features it takes, in its order."""

    def run(self, batch: LearnerBatch) -> FloatArray:
        """Minute by minute, first learn the labels that matured in it, then score its rows.

        Returns:
            Log-probabilities (n_rows, 3); any chunking of the same minutes gives the same bits.
        """

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""

    def restored(self, fields: Mapping[str, Any]) -> "Learner":
        """Return a learner of the same kind with this state."""


class ExpertFactory(Protocol):
    """What an entry point in the group `papertape.experts` names."""

    def __call__(self, name: str, features: tuple[str, ...]) -> Expert | Learner:
        """Make the expert `name` for a model with these features, in the order of its columns."""


def make_expert(factory: ExpertFactory, name: str, features: tuple[str, ...]) -> Expert | Learner:
    """Make an expert from outside and check what it says of itself.

    Raises:
        BundleError: It cannot be made, is no expert, calls itself something else, or wants features that the
            model lacks.
    """
    try:
        expert = factory(name, features)
    except Exception as error:  # a stranger's code may raise anything; it is named, not ours
        raise BundleError(
            f"expert {name!r}: its entry point could not make it for this model: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(expert, (Expert, Learner)):
        raise BundleError(
            f"expert {name!r}: its entry point made a {type(expert).__name__}, which has neither `score` and "
            "`row_stable` (a fixed expert) nor `run` and `features` (one that learns)"
        )
    if expert.name != name:
        raise BundleError(
            f"expert {name!r} calls itself {expert.name!r}: its factory must use the name it is given"
        )
    unknown = sorted(set(expert.features) - set(features)) if isinstance(expert, Learner) else []
    if unknown:
        raise BundleError(
            f"expert {name!r} wants features that the model does not have: {', '.join(unknown)}"
        )
    return expert


def score_rows(expert: Expert, values: FloatArray, row_minute: IntArray, n_instruments: int) -> FloatArray:
    """Score a chunk's rows so that their bits do not depend on the chunk.

    Args:
        expert: The expert.
        values: (n_rows, n_features), C-contiguous.
        row_minute: (n_rows,) row of the chunk, ascending.
        n_instruments: Width of the run's universe: the padded height for an expert that is not row-stable.

    Returns:
        (n_rows, 3) log-probabilities, floored and normalised.

    Raises:
        BrokenBoundError: The expert gave another shape, or NaN.
    """
    if expert.row_stable:
        return checked(expert.name, expert.score(values), len(values))
    out = np.empty((len(values), N_CLASSES))
    starts = np.nonzero(np.diff(row_minute, prepend=-1))[0].tolist()
    for start, end in pairwise([*starts, len(values)]):
        padded = np.zeros((n_instruments, values.shape[1]))
        padded[: end - start] = values[start:end]
        out[start:end] = checked(expert.name, expert.score(padded), n_instruments)[: end - start]
    return out


def checked(name: str, logp: FloatArray, n_rows: int) -> FloatArray:
    """Return what an expert said, floored and normalised.

    Raises:
        BrokenBoundError: It gave another shape, or NaN.
    """
    if logp.shape != (n_rows, N_CLASSES):
        raise BrokenBoundError(
            f"expert {name!r} gave {logp.shape} instead of {(n_rows, N_CLASSES)} log-probabilities"
        )
    if np.isnan(logp).any():
        raise BrokenBoundError(f"expert {name!r} gave NaN as a log-probability")
    return normalised(logp)
