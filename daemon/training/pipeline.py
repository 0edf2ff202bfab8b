"""The last steps of every bundle, trained or packed: teach and hear the experts, calibrate, write down."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daemon import kernels
from daemon.models.bundle import Bundle
from daemon.training.dataset import Progress, prepared
from daemon.training.experts import Cast
from daemon.training.ground import Ground
from daemon.training.prequential import Spoken, listen
from daemon.training.reference import Reference, equal_mass_edges
from daemon.training.shipping import Shipped, fit_shipped

CLASSES = ("down", "flat", "up")


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted trees as they ship.

    Attributes:
        text: LightGBM's text model.
        scale: See `Bundle.trees_scale`.
    """

    text: bytes
    scale: float = 1.0


def ship(
    ground: Ground,
    cast: Cast,
    trees: Trees | None,
    watch: Reference,
    name: str,
    metrics: Mapping[str, float],
    progress: Progress,
) -> Bundle:
    """Run the experts over the whole range, fit what calibrates them, and pack the bundle.

    Args:
        ground: What the training stands on.
        cast: All experts; those that learn are taught here, over [S, B).
        trees: The boosted trees, if there are any.
        watch: An empty drift reference; it is filled here.
        name: The model's name.
        metrics: What is known so far; the bundle's metrics are these and those of the calibration.
        progress: Told what is being done.

    Raises:
        TrainingError: The calibration range holds no label of some class.
    """
    first = ground.window.first_minute
    panel = cast.panel(ground.labeller)
    chunks = prepared(ground.window, ground.inputs, "teaching the experts", progress)
    spoken = listen(watch.watching(chunks, first), panel, cast.scores, first, ground.ranges.calibration)
    progress("calibrating", 0, 1)
    shipped = fit_shipped(spoken, ground.settings)
    progress("calibrating", 1, 1)
    return Bundle(
        name=name,
        settings_json=ground.settings.identity_json(),
        features=ground.features,
        schema=ground.plan.schema,
        reference=ground.found.reference,
        labels=ground.settings.labels,
        experts=cast.names,
        formulas=ground.formulas,
        quanta=ground.found.quanta,
        trees=trees.text if trees else None,
        trees_scale=trees.scale if trees else 1.0,
        learners=cast.learner_fields(panel),
        calibrators=shipped.calibrators,
        edge=shipped.edge.to_fields(),
        psi={"features": watch.to_fields(), "predictions": _predictions(ground, spoken, shipped)},
        ranges=ground.epoch_ranges(),
        metrics={**metrics, **shipped.metrics},
    )


def _predictions(ground: Ground, spoken: Spoken, shipped: Shipped) -> dict[str, object]:
    """Return the drift reference of the blend's probabilities, over the calibration range."""
    p = kernels.exp(shipped.blend)
    minute = ground.found.minutes[spoken.decided]
    columns = np.arange(len(CLASSES))
    edges = equal_mass_edges(p)
    reference = Reference(CLASSES, columns, edges, ground.window.names, int(minute[0]), int(minute[-1]))
    reference.add(minute, spoken.instrument, p)
    return reference.to_fields()
