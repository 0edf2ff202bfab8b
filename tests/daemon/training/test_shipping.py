"""What ships beside the experts: calibrators and the edge."""

from dataclasses import replace

import numpy as np
import pytest

from daemon import kernels
from daemon.errors import TrainingError
from daemon.models.blend import make_blend
from daemon.models.simplex import log_loss, log_softmax
from daemon.policy.edge import fit_edge
from daemon.settings import Settings
from daemon.training.prequential import Spoken
from daemon.training.shipping import fit_shipped

HORIZON = 5
SETTINGS = Settings.model_validate({"labels": {"horizon_minutes": HORIZON}})


def spoken(n_minutes: int = 800, n_instruments: int = 3) -> Spoken:
    """An expert that is right but much too sure, one that says nothing at first, and the base rate."""
    generator = np.random.default_rng(2)
    n_rows = n_minutes * n_instruments
    truth = 0.6 * generator.normal(size=(n_rows, 3))
    p = kernels.exp(log_softmax(truth))
    label = (generator.random(n_rows)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1).astype(np.int8)
    late = log_softmax(truth)
    late[: n_rows // 2] = np.nan
    frequencies = np.bincount(label, minlength=3) / n_rows
    base = np.tile(np.log(frequencies), (n_rows, 1))
    decided = np.repeat(np.arange(n_minutes), n_instruments) + 50
    return Spoken(
        experts=("sure", "late", "base_rate"),
        logp=np.stack([log_softmax(4 * truth), late, base]),
        decided=decided,
        ended=decided + HORIZON + 1,
        instrument=np.tile(np.arange(n_instruments), n_minutes),
        sigma=np.full(n_rows, 1e-3),
        label=label,
        ret=1e-3 * (label - 1.0),
        weight=np.ones(n_rows),
    )


def test_an_overconfident_expert_is_calmed_and_the_base_rate_left_alone() -> None:
    said = spoken()
    shipped = fit_shipped(said, SETTINGS)
    assert set(shipped.calibrators) == {"sure", "late"}
    calmed = shipped.calibrators["sure"].apply(said.logp[0])
    best = said.logp[1][len(said.label) // 2 :]
    loss = float(np.mean(log_loss(calmed, said.label)))
    assert loss < float(np.mean(log_loss(said.logp[0], said.label))) - 0.3
    assert loss == pytest.approx(float(np.mean(log_loss(best, said.label[len(best) :]))), abs=0.02)
    assert shipped.metrics["calibration.log_loss.sure"] == pytest.approx(loss, abs=1e-12)


def test_the_edge_is_fitted_on_the_blend_as_it_trades() -> None:
    said = spoken()
    shipped = fit_shipped(said, SETTINGS)
    calibrated = said.logp.copy()
    for position, name in enumerate(said.experts):
        if name in shipped.calibrators:
            heard = ~np.isnan(said.logp[position, :, 0])
            calibrated[position, heard] = shipped.calibrators[name].apply(said.logp[position, heard])
    # Minute by minute, as the engine does: first the losses of what matured, then the rows.
    blend = make_blend(SETTINGS.blend, said.experts, HORIZON)
    out = []
    for minute in range(int(said.ended.max()) + 1):
        mature, rows = said.ended == minute, said.decided == minute
        losses = np.full((1, 3), np.nan)
        for position in range(3):
            logp = calibrated[position, mature]
            heard = ~np.isnan(logp[:, 0])
            if heard.any():
                losses[0, position] = (
                    np.cumsum(log_loss(logp[heard], said.label[mature][heard]))[-1] / heard.sum()
                )
        logp = calibrated[:, rows]
        at = np.zeros(int(rows.sum()), dtype=np.int64)
        out.append(blend.combine(logp, ~np.isnan(logp[:, :, 0]), at, 1, losses)[0])
    assert np.allclose(np.concatenate(out), shipped.blend, rtol=0, atol=1e-9)
    p, labels = kernels.exp(shipped.blend), said.label.astype(np.int64)
    assert shipped.edge == fit_edge(p, labels, said.ret, said.sigma, HORIZON, said.weight)


def test_an_expert_that_never_spoke_is_taken_at_its_word() -> None:
    said = spoken()
    logp = said.logp.copy()
    logp[1] = np.nan
    shipped = fit_shipped(replace(said, logp=logp), SETTINGS)
    assert set(shipped.calibrators) == {"sure"}
    assert np.isnan(shipped.metrics["calibration.log_loss.late"])


def test_a_calibration_range_without_a_label_is_refused() -> None:
    said = spoken()
    none = {
        name: getattr(said, name)[:0] for name in ("decided", "ended", "instrument", "sigma", "label", "ret")
    }
    with pytest.raises(TrainingError, match="no label matured in the calibration range"):
        fit_shipped(replace(said, logp=said.logp[:, :0], weight=said.weight[:0], **none), SETTINGS)
