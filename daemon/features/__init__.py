"""Features: exact, incremental, and the same code for one minute and for a whole history."""

from daemon.features.block import FeatureBlock
from daemon.features.catalogue import Formula, catalogue, groups_of
from daemon.features.compilation import compile_plan
from daemon.features.plan import LONG_GAP_MINUTES, ROWS_AFTER_GAP, SIGMA_FLOOR, FeaturePlan
from daemon.features.quanta import Quanta, quanta_from_fields, quanta_to_fields
from daemon.features.schema import Schema
from daemon.features.state import FeatureState

__all__ = [
    "LONG_GAP_MINUTES",
    "ROWS_AFTER_GAP",
    "SIGMA_FLOOR",
    "FeatureBlock",
    "FeaturePlan",
    "FeatureState",
    "Formula",
    "Quanta",
    "Schema",
    "catalogue",
    "compile_plan",
    "groups_of",
    "quanta_from_fields",
    "quanta_to_fields",
]
