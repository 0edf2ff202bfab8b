"""What a training stands on: the bars, the ranges, the features and labels, before anything is learned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from daemon.errors import TrainingError
from daemon.features import FeaturePlan, compile_plan
from daemon.inputs import Inputs
from daemon.labels import Labeller
from daemon.ports import BarSource
from daemon.settings import FeatureSettings, Settings
from daemon.training.dataset import LabelledRows, Progress, RowCollector, Window, prepared
from daemon.training.ranges import Ranges
from daemon.training.reference import Reference, equal_mass_edges, watched
from daemon.training.survey import Survey, survey


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The fixed parts of a training.

    Attributes:
        window: The bars and S and B.
        settings: Of the training.
        found: Session minutes, reference list, quanta.
        ranges: A, and where calibration begins.
        features: Which features are computed.
        plan: The same, compiled.
        labeller: The labels.
        formulas: A user's own formulas, as text.
    """

    window: Window
    settings: Settings
    found: Survey
    ranges: Ranges
    features: FeatureSettings
    plan: FeaturePlan
    labeller: Labeller
    formulas: dict[str, str]

    @property
    def inputs(self) -> Inputs:
        """The code that prepares minutes live."""
        return Inputs(self.plan, self.labeller, self.window.names)

    def epoch_ranges(self) -> dict[str, int]:
        """Return the ranges in epoch minutes, as a bundle states them."""
        minutes, ranges = self.found.minutes, self.ranges
        return {
            "start": int(minutes[0]),
            "trees_end": int(minutes[ranges.boundary]),
            "calibration_start": int(minutes[ranges.calibration]),
            "end": int(minutes[-1]) + 1,
        }

    def rows(self, end: int, progress: Progress) -> LabelledRows:
        """Return the labelled rows of the session minutes before `end`.

        Raises:
            TrainingError: They are fewer than `training.min_rows`.
        """
        last_minute = int(self.found.minutes[end - 1])
        part = Window(self.window.source, self.window.first_minute, last_minute)
        collector = RowCollector(self.window.first_minute, len(self.window.names), len(self.plan.names))
        for chunk in prepared(part, self.inputs, "computing features", progress):
            collector.add(chunk)
        rows = collector.joined()
        if len(rows) < self.settings.training.min_rows:
            raise TrainingError(
                f"{len(rows)} labelled rows are too few to learn from (training.min_rows is "
                f"{self.settings.training.min_rows}). The features need {self.plan.warmup_bars} bars of each "
                f"instrument before its first row: give a longer range, or leave out the features that look "
                f"back furthest (`papertape features` lists them)."
            )
        return rows

    def reference(self, rows: LabelledRows) -> Reference:
        """Return an empty drift reference for the whole range, its bins from the features of `rows`."""
        names, columns = watched(self.plan)
        edges = equal_mass_edges(rows.values[:, columns])
        minutes = self.found.minutes
        return Reference(names, columns, edges, self.window.names, int(minutes[0]), int(minutes[-1]))


def lay_ground(
    source: BarSource,
    settings: Settings,
    features: FeatureSettings,
    divide: Callable[[int], Ranges],
    span: tuple[int | None, int | None],
    formulas: Mapping[str, object],
    progress: Progress,
) -> Ground:
    """Look at the bars once and settle what everything else follows from.

    Args:
        source: Recorded bars. What lies before S only warms the features.
        settings: Of the training.
        features: Which features are computed.
        divide: Number of session minutes -> their ranges.
        span: S and B - 1, epoch minutes; None is as far as the source reaches.
        formulas: A user's own, see `compile_plan`.
        progress: Told what is being done.

    Raises:
        TrainingError: There are no or too few bars in the range.
        FormulaError: A feature cannot be computed.
    """
    first = source.first_minute if span[0] is None else max(span[0], source.first_minute)
    last = source.last_minute if span[1] is None else min(span[1], source.last_minute)
    if first > last:
        around = f"{_text(source.first_minute)} to {_text(source.last_minute)}"
        raise TrainingError(f"the bar files hold nothing between --from and --to; they reach from {around}.")
    window = Window(source, first, last)
    found = survey(window, progress)
    ranges = divide(len(found.minutes))
    plan = compile_plan(features, found.reference, found.quanta, formulas)
    own = {formula.name: formula.formula for formula in plan.formulas if formula.name in formulas}
    return Ground(window, settings, found, ranges, features, plan, Labeller(settings.labels), own)


def _text(minute: int) -> str:
    return f"{np.datetime64(minute, 'm')}Z"
