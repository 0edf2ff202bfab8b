"""The features' memory of one run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from daemon.features.program import Memory
from daemon.features.quanta import Quanta, quanta_from_fields, quanta_to_fields
from daemon.kernels import FloatArray, IntArray

NEVER = -(2**40)
"""Stands where a lane has no last row."""


@dataclass(slots=True)
class Lanes:
    """What is counted per instrument.

    Attributes:
        position: (N,) rows in the rings, from the start or from the last restore on.
        rows: (N,) rows since the start of the run's inputs.
        last_minute: (N,) epoch minute of the last row.
        last_ordinal: (N,) session minute of the last row.
        since_gap: (N,) rows since the last long gap; all rows where there was none.
    """

    position: IntArray
    rows: IntArray
    last_minute: IntArray
    last_ordinal: IntArray
    since_gap: IntArray

    @classmethod
    def empty(cls, n: int) -> Self:
        """Make n lanes without rows."""
        return cls(
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.full(n, NEVER, np.int64),
            np.full(n, NEVER, np.int64),
            np.zeros(n, np.int64),
        )


@dataclass(slots=True)
class FeatureState:
    """State between chunks. It is used linearly: whoever advances it must not use the old one again.

    Attributes:
        instruments: The run's instruments, sorted.
        quanta: By instrument; set by the plan or by an instrument's first row.
        ordinal: Session minutes seen so far.
        last_minute: Epoch minute of the newest of them.
        lanes: Counters.
        memory: Rings and averages.
        block_minutes: Most minutes that are computed at once; longer chunks are cut.
        schema_hash: The plan's.
    """

    instruments: tuple[str, ...]
    quanta: dict[str, Quanta]
    ordinal: int
    last_minute: int
    lanes: Lanes
    memory: Memory
    block_minutes: int
    schema_hash: str

    def to_fields(self) -> dict[str, object]:
        """Return what a snapshot holds: counters and averages. The tape's own bars fill the rings again."""
        return {
            "schema": self.schema_hash,
            "instruments": list(self.instruments),
            "quanta": quanta_to_fields(self.quanta),
            "ordinal": self.ordinal,
            "last_minute": self.last_minute,
            "rows": self.lanes.rows.copy(),
            "last_minutes": self.lanes.last_minute.copy(),
            "last_ordinals": self.lanes.last_ordinal.copy(),
            "since_gap": self.lanes.since_gap.copy(),
            "averages": self.memory.averages.copy(),
        }

    def regrouped(
        self, index: IntArray, instruments: tuple[str, ...], quanta: Mapping[str, Quanta] | None = None
    ) -> Self:
        """Return the state of another universe.

        Args:
            index: (N',) old column of each new one, -1 for an instrument that joins.
            instruments: (N',) their names, sorted.
            quanta: Of instruments that join, where they are known.
        """
        joins = index < 0
        fresh = Lanes.empty(len(index))
        lanes = Lanes(
            *(
                np.where(joins, getattr(fresh, name), getattr(self.lanes, name)[index] if len(index) else 0)
                for name in Lanes.__slots__
            )
        )
        stores = {key: cells[index] for key, cells in self.memory.rings.items()}
        for cells in stores.values():
            cells[joins] = 0
        averages: FloatArray = np.where(joins, 0.0, self.memory.averages[:, index])
        for clock in self.memory.clocks.values():
            clock.regroup(index)
        memory = Memory(stores, self.memory.clocks, averages)
        sources = [(quanta or {}) if joining else self.quanta for joining in joins.tolist()]
        of_all = {n: source[n] for n, source in zip(instruments, sources, strict=True) if n in source}
        return type(self)(
            instruments,
            of_all,
            self.ordinal,
            self.last_minute,
            lanes,
            memory,
            self.block_minutes,
            self.schema_hash,
        )


def counters_from_fields(state: FeatureState, fields: Mapping[str, object]) -> None:
    """Set a state's counters and averages to a snapshot's, its rings being filled already.

    Raises:
        ValueError: The fields are another plan's, or are damaged.
    """
    if fields["schema"] != state.schema_hash:
        raise ValueError("the snapshot's features are not this plan's")
    arrays = {
        name: np.asarray(fields[name])
        for name in ("rows", "last_minutes", "last_ordinals", "since_gap", "averages")
    }
    shapes = dict.fromkeys(arrays, state.lanes.rows.shape) | {"averages": state.memory.averages.shape}
    damaged = [name for name, array in arrays.items() if array.shape != shapes[name]]
    if damaged:
        raise ValueError(f"the snapshot's features are damaged: shape of {', '.join(damaged)}")
    state.ordinal = _whole(fields, "ordinal")
    state.last_minute = _whole(fields, "last_minute")
    state.lanes.rows = arrays["rows"].astype(np.int64)
    state.lanes.last_minute = arrays["last_minutes"].astype(np.int64)
    state.lanes.last_ordinal = arrays["last_ordinals"].astype(np.int64)
    state.lanes.since_gap = arrays["since_gap"].astype(np.int64)
    state.memory.averages = arrays["averages"].astype(np.float64)


def names_from_fields(fields: Mapping[str, object]) -> tuple[tuple[str, ...], dict[str, Quanta]]:
    """Read a snapshot's instruments and quanta."""
    names, quanta = fields["instruments"], fields["quanta"]
    if not isinstance(names, list | tuple) or not isinstance(quanta, Mapping):
        raise ValueError("the snapshot's features are damaged: instruments or quanta")  # noqa: TRY004 - damaged data, not a wrong call
    return tuple(str(name) for name in names), quanta_from_fields(quanta)


def _whole(fields: Mapping[str, object], name: str) -> int:
    value = fields[name]
    if not isinstance(value, int):
        raise ValueError(f"the snapshot's features are damaged: {name}")  # noqa: TRY004 - damaged data, not a wrong call
    return value
