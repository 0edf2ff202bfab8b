"""The experts of a training: those of the settings, and those from outside."""

from collections.abc import Sequence

import numpy as np

from daemon.errors import TrainingError
from daemon.kernels import FloatArray, IntArray
from daemon.labels import Labeller
from daemon.models.base_rate import BaseRate
from daemon.models.blend import FixedBlend
from daemon.models.expert import Expert, Learner, make_expert, score_rows
from daemon.models.online import OnlineLearner
from daemon.models.panel import Panel
from daemon.models.signals import Signals
from daemon.models.trees import BoostedTrees
from daemon.run_model import Outside
from daemon.settings import BlendSettings, Settings


class Cast:
    """All experts of a training, in the order in which the bundle lists them.

    Raises:
        TrainingError: None is enabled.
        BundleError: One from outside cannot be made.

    Args:
        settings: Which are enabled.
        names: The features, in order.
        trees: The boosted trees, if there are any.
        online_features: Features of the online learner, in order.
        outside: What comes from entry points and files.
        instruments: Names of the training's instruments, sorted.
    """

    def __init__(
        self,
        settings: Settings,
        names: Sequence[str],
        trees: BoostedTrees | None,
        online_features: Sequence[str],
        outside: Outside,
        instruments: Sequence[str],
    ) -> None:
        self._features = tuple(names)
        self._n_instruments = len(instruments)
        self._signals = (
            Signals(outside.signals, instruments, settings.experts.signals.max_age_minutes)
            if outside.signals is not None
            else None
        )
        made = [
            make_expert(factory, name, self._features) for name, factory in sorted(outside.factories.items())
        ]
        self._fixed: list[Expert] = [
            *([trees] if trees else []),
            *(e for e in made if not isinstance(e, Learner)),
        ]
        self._learners: list[Learner] = [e for e in made if isinstance(e, Learner)]
        if settings.experts.base_rate:
            self._learners.insert(0, BaseRate())
        if settings.experts.online.enabled:
            self._learners.insert(0, OnlineLearner(online_features, settings.experts.online))
        if not self.names:
            raise TrainingError("no expert is enabled: enable one in the settings, section experts.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all experts: fixed ones, those that learn, signals."""
        signals = [self._signals.name] if self._signals else []
        return (*(e.name for e in self._fixed), *(e.name for e in self._learners), *signals)

    def panel(self, labeller: Labeller) -> Panel:
        """Return the panel of these experts, uncalibrated and in equal parts."""
        place = {name: column for column, name in enumerate(self._features)}
        learners = {
            expert.name: (expert, np.array([place[name] for name in expert.features], dtype=np.int64))
            for expert in self._learners
        }
        equal = FixedBlend(BlendSettings(kind="fixed"), self.names)
        return Panel(self.names, learners, {}, equal, labeller.span, self._n_instruments)

    def scores(self, minute: IntArray, instrument: IntArray, values: FloatArray) -> dict[str, FloatArray]:
        """Score the experts that do not learn: see `daemon.training.prequential.FixedScores`."""
        scores = {
            expert.name: score_rows(expert, values, minute, self._n_instruments) for expert in self._fixed
        }
        if self._signals:
            logp, known = self._signals.score_rows(minute, instrument)
            scores[self._signals.name] = np.where(known[:, None], logp, np.nan)
        return scores

    def learner_fields(self, panel: Panel) -> dict[str, dict[str, object]]:
        """Return the state of the experts that learn, as they stand in `panel`."""
        fields = panel.to_fields()["learners"]
        return dict(fields) if isinstance(fields, dict) else {}
