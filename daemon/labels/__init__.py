"""Labels: what became of a decision, and what waits to learn it."""

from daemon.labels.labeller import Labeller, LabelState, dense_sigma
from daemon.labels.matured import N_CLASSES, Matured, Move, Void
from daemon.labels.pending import Pending

__all__ = ["N_CLASSES", "LabelState", "Labeller", "Matured", "Move", "Pending", "Void", "dense_sigma"]
