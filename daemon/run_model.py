"""A bundle made ready to trade in one run: its features, labels, experts, calibrators, blend and edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from daemon.errors import BundleError
from daemon.features import FeaturePlan, compile_plan
from daemon.kernels import FloatArray, IntArray
from daemon.labels import Labeller
from daemon.models.base_rate import BaseRate
from daemon.models.blend import make_blend
from daemon.models.bundle import Bundle
from daemon.models.expert import Expert, ExpertFactory, Learner, make_expert, score_rows
from daemon.models.online import OnlineLearner
from daemon.models.panel import Panel
from daemon.models.signals import Signals
from daemon.models.trees import BoostedTrees
from daemon.policy.edge import EdgeModel
from daemon.settings import BlendSettings, Settings


@dataclass(frozen=True, slots=True)
class Outside:
    """What a model may need that is in no bundle.

    Attributes:
        factories: By expert: what makes the experts that come from entry points.
        signals: Columns of the signals file, if the expert `signals` is among the experts.
    """

    factories: Mapping[str, ExpertFactory]
    signals: Mapping[str, object] | None = None


NOTHING_OUTSIDE = Outside({})


@dataclass(frozen=True, slots=True, eq=False)
class RunModel:
    """What one model version brings to a run.

    Attributes:
        version: Of the registry, or the folder's digest.
        bundle: What it was made from.
        plan: Its features.
        labeller: Its labels.
        edge: Turns probabilities into an expected return.
        fixed: Experts that do not learn.
        learners: Experts that learn, as they were at the end of training.
        signals: Signals from outside, where the model has that expert.
        blend: How the experts become one.
    """

    version: str
    bundle: Bundle
    plan: FeaturePlan
    labeller: Labeller
    edge: EdgeModel
    fixed: Mapping[str, Expert]
    learners: Mapping[str, Learner]
    signals: Signals | None
    blend: BlendSettings

    @property
    def horizon_minutes(self) -> int:
        """Session minutes from a decision's fill to its label."""
        return self.bundle.labels.horizon_minutes

    def of(self, instruments: Sequence[str]) -> Self:
        """Return the same model for a run of other instruments: only signals know who is who."""
        return self if self.signals is None else replace(self, signals=self.signals.of(instruments))

    def panel(self, n_instruments: int) -> Panel:
        """Compose the experts for a run of so many instruments."""
        column = {name: at for at, name in enumerate(self.plan.names)}
        # A learner changes as it learns: every panel gets its own.
        own = {name: learner.restored(learner.to_fields()) for name, learner in self.learners.items()}
        learners = {
            name: (learner, np.array([column[feature] for feature in learner.features], dtype=np.int64))
            for name, learner in own.items()
        }
        blend = make_blend(self.blend, self.bundle.experts, self.horizon_minutes)
        return Panel(
            self.bundle.experts, learners, self.bundle.calibrators, blend, self.labeller.span, n_instruments
        )

    def differences(self, other: "RunModel") -> list[str]:
        """Say what keeps `other` from taking over from this one in the middle of a run; nothing if nothing.

        Windows go on and labels that are under way mature, so both have to compute the same features of the
        same instruments, and predict the same. Experts may differ; so may quanta: a run keeps those that it
        began with.
        """
        ours, theirs = self.bundle, other.bundle
        found = self.plan.schema.differences(other.plan.schema)
        found += [
            f"{name} is {before} here and {after} in the model"
            for name, before, after in (
                ("features.sigma_bars", ours.features.sigma_bars, theirs.features.sigma_bars),
                ("features.min_members", self.plan.min_members, other.plan.min_members),
                ("features.benchmark", self.plan.benchmark, other.plan.benchmark),
                ("the reference list", _listed(self.plan.reference), _listed(other.plan.reference)),
            )
            if before != after
        ]
        now, new = ours.labels.model_dump(), theirs.labels.model_dump()
        found += [
            f"labels.{name} is {now[name]} here and {new[name]} in the model"
            for name in now
            if now[name] != new[name]
        ]
        return found

    def raw(
        self,
        minute: IntArray,
        row_minute: IntArray,
        instrument: IntArray,
        values: FloatArray,
        n_instruments: int,
    ) -> dict[str, FloatArray]:
        """Return what the experts that do not learn say of rows.

        Args:
            minute: (n_rows,) epoch minutes.
            row_minute: (n_rows,) index into the chunk's minutes.
            instrument: (n_rows,) columns.
            values: (n_rows, n_features), C-contiguous.
            n_instruments: Width of the universe.

        Returns:
            By expert (n_rows, 3) log-probabilities, NaN where it says nothing.
        """
        said = {
            name: score_rows(expert, values, row_minute, n_instruments) for name, expert in self.fixed.items()
        }
        if self.signals is not None:
            logp, known = self.signals.score_rows(minute, instrument)
            said[self.signals.name] = np.where(known[:, None], logp, np.nan)
        return said


def assemble(
    version: str,
    bundle: Bundle,
    settings: Settings,
    instruments: tuple[str, ...],
    outside: Outside = NOTHING_OUTSIDE,
) -> RunModel:
    """Make a bundle ready for a run.

    Raises:
        SchemaMismatchError: This version computes other features than the model was trained on.
        BundleError: An expert of the bundle cannot be made; says which and what it lacks.
    """
    plan = compile_plan(bundle.features, bundle.reference, bundle.quanta, bundle.formulas)
    bundle.check_schema(plan.schema)
    fixed: dict[str, Expert] = {}
    learners: dict[str, Learner] = {}
    for name in bundle.experts:
        expert = _expert(name, bundle, outside)
        if isinstance(expert, Learner):
            learners[name] = expert
        elif expert is not None:
            fixed[name] = expert
    signals = None
    if "signals" in bundle.experts:
        if outside.signals is None:
            raise BundleError("the model has the expert `signals`: name its file in experts.signals.file")
        signals = Signals(outside.signals, instruments, settings.experts.signals.max_age_minutes)
    return RunModel(
        version=version,
        bundle=bundle,
        plan=plan,
        labeller=Labeller(bundle.labels),
        edge=EdgeModel.from_fields(bundle.edge),
        fixed=fixed,
        learners=learners,
        signals=signals,
        blend=settings.blend,
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "empty"


def _expert(name: str, bundle: Bundle, outside: Outside) -> Expert | Learner | None:
    names = bundle.schema.names
    if name == "trees":
        if bundle.trees is None:
            raise BundleError("trees.txt: missing from the bundle; fetch it again, or train or pack it again")
        return BoostedTrees(bundle.trees, names, bundle.trees_scale)
    if name == "signals":
        return None
    fields = bundle.learners.get(name)
    if name == "base_rate":
        return BaseRate() if fields is None else BaseRate().restored(fields)
    if name == "online":
        if fields is None:
            raise BundleError(
                "learners.json: the state of the expert `online` is missing; train the model again"
            )
        trained = Settings.stored(bundle.settings_json).experts.online
        return OnlineLearner(fields["features"], trained).restored(fields)
    factory = outside.factories.get(name)
    if factory is None:
        raise BundleError(
            f"the model has an expert {name!r} that no installed package provides: install "
            "the package with the entry point of that name in the group papertape.experts"
        )
    expert = make_expert(factory, name, names)
    return expert.restored(fields) if isinstance(expert, Learner) and fields is not None else expert
