"""Change detectors: has an expert's error moved for good? ADWIN and Page-Hinkley, fed once per horizon.

Labels overlap, so an error per minute is nearly the same number sixty times over, and a detector that takes
neighbours for independent would never be quiet: it hears one number per horizon, the panel's share of labels
that were got wrong. River's detectors show no state; what they heard since their last alarm is kept and told
to them again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.labels import Matured

MAX_INPUTS: Final = 4_000
"""A detector that heard so much since its last alarm forgets the older half."""

MIN_INPUTS: Final = 30
PAGE_HINKLEY_DELTA: Final = 0.02
PAGE_HINKLEY_THRESHOLD: Final = 4.0
KINDS: Final = ("adwin", "page_hinkley")


def _adwin() -> Any:
    from river.drift import ADWIN  # noqa: PLC0415 - slow to import; commands that need none start faster

    return ADWIN(clock=1, grace_period=MIN_INPUTS)


def _page_hinkley() -> Any:
    from river.drift import PageHinkley  # noqa: PLC0415 - as above

    return PageHinkley(
        min_instances=MIN_INPUTS, delta=PAGE_HINKLEY_DELTA, threshold=PAGE_HINKLEY_THRESHOLD, alpha=1.0
    )


_MAKERS: Final[Mapping[str, Callable[[], Any]]] = {"adwin": _adwin, "page_hinkley": _page_hinkley}


@dataclass(frozen=True, slots=True)
class ChangeFigures:
    """What the detectors say of one series.

    Attributes:
        name: The expert, or `blend`.
        alarms: By detector, how often it found a change.
        last: By detector, ordinal of the minute of its last alarm; -1 if there was none.
    """

    name: str
    alarms: Mapping[str, int]
    last: Mapping[str, int]


class Changes:
    """Detectors of every series, fed whole horizons of live labels.

    Args:
        names: The series in order: experts, the blend.
        horizon_minutes: Of the labels.
    """

    def __init__(self, names: Sequence[str], horizon_minutes: int) -> None:
        self.names = tuple(names)
        self._horizon = horizon_minutes
        self._block = -1
        self._open: IntArray = np.zeros((len(self.names), 2), dtype=np.int64)
        self._ears = [[_Ear(kind) for kind in KINDS] for _ in self.names]

    def update(self, ordinal: int, matured: Matured, said: FloatArray, known: BoolArray) -> None:
        """Take the labels that matured in the next minutes; arguments as of `Calibration.update`."""
        live = known & ~matured.catch_up
        if not live.any():
            return
        block = (matured.at[live] + ordinal) // self._horizon
        judged, label = said[live], matured.label[live]
        heard = ~np.isnan(judged[..., 0])
        wrong = heard & (np.argmax(judged, axis=2) != label[:, None])
        for number in np.unique(block).tolist():
            if number != self._block:
                self._close()
                self._block = number
            rows = block == number
            self._open += np.column_stack([wrong[rows].sum(axis=0), heard[rows].sum(axis=0)])

    def _close(self) -> None:
        """Tell the detectors the horizon that has ended."""
        end = (self._block + 1) * self._horizon - 1
        for (wrong, heard), ears in zip(self._open.tolist(), self._ears, strict=True):
            if heard:
                for ear in ears:
                    ear.hear(wrong / heard, end)
        self._open = np.zeros_like(self._open)

    def figures(self) -> tuple[ChangeFigures, ...]:
        """Return what the detectors have found since the start of the run."""
        return tuple(
            ChangeFigures(name, {e.kind: e.alarms for e in ears}, {e.kind: e.last for e in ears})
            for name, ears in zip(self.names, self._ears, strict=True)
        )

    def to_fields(self) -> dict[str, object]:
        """Return the state as plain data."""
        return {
            "block": self._block,
            "open": self._open.copy(),
            "ears": [[ear.to_fields() for ear in ears] for ears in self._ears],
        }

    def restored(self, fields: Mapping[str, Any]) -> Self:
        """Take the state of `to_fields` and return itself."""
        self._block = int(fields["block"])
        self._open = np.array(fields["open"], dtype=np.int64).reshape(len(self.names), 2)
        self._ears = [[_Ear.from_fields(ear) for ear in ears] for ears in fields["ears"]]
        return self


class _Ear:
    """One detector with what it heard since its last alarm: it is always one that heard exactly that."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.alarms, self.last = 0, -1
        self._inputs: list[float] = []
        self._detector = _MAKERS[kind]()

    def hear(self, error: float, ordinal: int) -> None:
        self._inputs.append(error)
        self._detector.update(error)
        if self._detector.drift_detected:
            self.alarms, self.last = self.alarms + 1, ordinal
            self._again([])
        elif len(self._inputs) >= MAX_INPUTS:
            self._again(self._inputs[MAX_INPUTS // 2 :])

    def _again(self, inputs: list[float]) -> None:
        self._inputs, self._detector = inputs, _MAKERS[self.kind]()
        for error in inputs:
            self._detector.update(error)

    def to_fields(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "alarms": self.alarms,
            "last": self.last,
            "inputs": np.array(self._inputs, dtype=np.float64),
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        ear = cls(fields["kind"])
        ear.alarms, ear.last = int(fields["alarms"]), int(fields["last"])
        ear._again(np.asarray(fields["inputs"], dtype=np.float64).tolist())
        return ear
