"""The blend: the calibrated experts' probabilities made one, by weights that are fixed or learned.

A blend is a weighted mean of probabilities. An expert that says nothing on a row (no signal yet, say) is left
out of that row and the others' weights are scaled up.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from daemon import kernels
from daemon.errors import SettingsError
from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels.matured import N_CLASSES
from daemon.models.simplex import UNIFORM, log_loss
from daemon.settings import BlendSettings


class FixedBlend:
    """Weights from settings.

    Args:
        settings: Weights by expert; those that are not named share what one named expert has on average.
        experts: Names, in order.
    """

    def __init__(self, settings: BlendSettings, experts: Sequence[str]) -> None:
        self._weights = start_weights(settings, experts)

    def combine(
        self, logp: FloatArray, known: BoolArray, row_minute: IntArray, n_minutes: int, losses: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Blend a chunk.

        Args:
            logp: (n_experts, n_rows, 3) calibrated log-probabilities.
            known: (n_experts, n_rows) whether the expert said anything.
            row_minute: (n_rows,) row of the chunk.
            n_minutes: Minutes of the chunk.
            losses: (n_minutes, n_experts) mean log-loss over the labels that matured in a minute, NaN where
                none did; see `minute_losses`. Those of a minute count before its rows are blended.

        Returns:
            Blended log-probabilities (n_rows, 3), uniform where no expert said anything, and the weights that
            were used (n_minutes, n_experts). Any chunking of the same minutes gives the same bits.
        """
        assert losses.shape == (n_minutes, len(self._weights))  # noqa: S101 - the engine's own shapes
        weights = np.tile(self._weights, (n_minutes, 1))
        return _mixed(logp, known, weights[row_minute]), weights

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data: there is none."""
        return {}

    def restored(self, fields: Mapping[str, Any]) -> "FixedBlend":
        """Return itself: it has no state."""
        assert not fields  # noqa: S101 - written by `to_fields`
        return self


class BayesBlend:
    """A Bayes mixture, damped and with a fixed share.

    After each minute in which labels matured, w_e <- w_e exp(-loss_e / h) over the experts that were judged
    (the others keep their weight), scaled to the same sum; after every minute, w <- (1 - share) w + share x
    start. The loss is the mean over instruments, and h = horizon damps it, because h minutes' labels overlap:
    undamped, the same move is counted h times.

    Regret. Feedback comes d = h + 1 minutes late, so the weights in use are those of d minutes ago. Let S_t
    be the largest difference between two experts' log-loss on a row of minute t. Then for every expert e with
    start weight w_e, the mixture's summed loss over T minutes is at most

        loss of e  +  h (ln(1 / w_e) + T ln(1 / (1 - share)))
                   +  sum over t of (e^S_t - 1) / 2
                      x  sum over the d minutes s before t of (S_s / 2h + 2 share).

    The first line is the bound of Herbster and Warmuth (Tracking the best expert, 1998) for undelayed
    feedback: log-loss to the power 1/h is mixable, also as a mean over instruments, because a geometric mean
    is concave. The second is the price of the delay (its necessity: Weinberger and Ordentlich, On delayed
    prediction of individual sequences, 2002; Joulani et al., Online learning under delayed feedback, 2013):
    the loss is convex in the weights with slopes no further apart than e^S - 1, and one update moves the
    weights by at most S / 2h + 2 share in total variation (Hoeffding and Pinsker). It is of second order in
    S.

    Args:
        settings: Start weights and share.
        experts: Names, in order.
        horizon: h, minutes.
    """

    def __init__(self, settings: BlendSettings, experts: Sequence[str], horizon: int) -> None:
        self._experts = tuple(experts)
        self._start = start_weights(settings, experts)
        self._share = settings.share
        self._damping = 1.0 / horizon
        self._weights = list(self._start)

    def combine(
        self, logp: FloatArray, known: BoolArray, row_minute: IntArray, n_minutes: int, losses: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Blend a chunk; see `FixedBlend.combine`."""
        weights = np.array([self._after(row) for row in losses.tolist()], dtype=np.float64)
        weights = weights.reshape(n_minutes, len(self._start))
        return _mixed(logp, known, weights[row_minute]), weights

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {"experts": list(self._experts), "weights": list(self._weights)}

    def restored(self, fields: Mapping[str, Any]) -> "BayesBlend":
        """Put stored weights in place, by name, and return itself.

        Experts that the stored state did not have enter with their start weight's share; those that are gone
        leave. Where nobody stays, or those have no weight, all begin anew.
        """
        stored = dict(zip(fields["experts"], fields["weights"], strict=True))
        if tuple(fields["experts"]) == self._experts:
            self._weights = [float(weight) for weight in fields["weights"]]
        else:
            entering = [self._share * start for start in self._start]
            weights = [stored.get(name, enter) for name, enter in zip(self._experts, entering, strict=True)]
            total = math.fsum(weights)
            self._weights = [weight / total for weight in weights] if total > 0.0 else list(self._start)
        return self

    def _after(self, losses: list[float]) -> list[float]:
        """Apply one minute's losses and share; return the new weights."""
        weights = self._weights
        judged = [e for e, loss in enumerate(losses) if loss == loss]  # noqa: PLR0124 - NaN is not itself
        if len(judged) > 1:
            least = min(losses[e] for e in judged)
            before = after = 0.0
            grown = list(weights)
            for e in judged:
                grown[e] *= math.exp((least - losses[e]) * self._damping)
                before += weights[e]
                after += grown[e]
            scale = before / after
            for e in judged:
                grown[e] *= scale
            weights = grown
        keep, share = 1.0 - self._share, self._share
        weights = [keep * weight + share * start for weight, start in zip(weights, self._start, strict=True)]
        total = sum(weights)
        self._weights = [weight / total for weight in weights]
        return self._weights


def make_blend(settings: BlendSettings, experts: Sequence[str], horizon: int) -> FixedBlend | BayesBlend:
    """Return the blend that the settings ask for.

    Raises:
        SettingsError: `blend.weights` names an expert that the run does not have, or nobody has weight.
    """
    unknown = sorted(set(settings.weights) - set(experts))
    if unknown:
        known = ", ".join(experts)
        raise SettingsError(
            [f"blend.weights: no expert is called {name!r}; this run has {known}" for name in unknown]
        )
    if settings.kind == "fixed":
        return FixedBlend(settings, experts)
    return BayesBlend(settings, experts, horizon)


def start_weights(settings: BlendSettings, experts: Sequence[str]) -> tuple[float, ...]:
    """Return weights that sum to one: the settings', and their mean for experts that are not named."""
    given = [settings.weights[name] for name in experts if name in settings.weights]
    usual = math.fsum(given) / len(given) if given else 1.0
    weights = [settings.weights.get(name, usual) for name in experts]
    total = math.fsum(weights)
    if not total > 0.0:
        raise SettingsError(["blend.weights: no expert has weight; give at least one of them more than 0"])
    return tuple(weight / total for weight in weights)


def minute_losses(
    logp: FloatArray, known: BoolArray, label: npt.NDArray[np.int8], at: IntArray, n_minutes: int
) -> FloatArray:
    """Return each expert's mean log-loss over the labels that matured in each minute.

    Args:
        logp: (n_experts, n_labels, 3) what the experts had said, calibrated.
        known: (n_experts, n_labels) whether they had said anything.
        label: (n_labels,) what came.
        at: (n_labels,) row of the chunk in which the label matured.
        n_minutes: Minutes of the chunk.

    Returns:
        (n_minutes, n_experts), NaN where an expert had said nothing.
    """
    out = np.full((n_minutes, len(logp)), np.nan)
    for e, loss in enumerate(log_loss(logp, label)):
        judged = known[e]
        total = kernels.segment_sum(at[judged], loss[judged], n_minutes)
        count = np.bincount(at[judged], minlength=n_minutes)
        np.divide(total, count, out=out[:, e], where=count > 0)
    return out


def _mixed(logp: FloatArray, known: BoolArray, weights: FloatArray) -> FloatArray:
    """Mix probabilities by row: logp (E, R, 3), known (E, R), weights (R, E) -> log-probabilities (R, 3)."""
    n_rows = logp.shape[1]
    mixed, total = np.zeros((n_rows, N_CLASSES)), np.zeros(n_rows)
    for e in range(len(logp)):
        weight = np.where(known[e], weights[:, e], 0.0)
        p = kernels.exp(np.where(known[e][:, None], logp[e], UNIFORM))
        mixed += weight[:, None] * p
        total += weight
    heard = total > 0.0
    share = np.where(heard[:, None], mixed / np.where(heard, total, 1.0)[:, None], 1.0 / N_CLASSES)
    return kernels.log(share)
