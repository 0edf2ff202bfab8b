"""Inputs beside the sealed minutes. The list is closed: whatever reaches the engine is one of these."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
import numpy as np

from daemon.events.minutes import Instrument
from daemon.kernels import IntArray


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """An engine input that is no sealed minute. It is applied before the next minute and stands on the tape.

    `kind` is the class name; the payload on the tape is the msgpack encoding of the whole structure.
    """


class Warmup(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The bars before the first decided minute: they warm features and labels and decide nothing."""

    first_minute: int
    last_minute: int
    n_bars: int
    digest: bytes


BackfillBar = tuple[int, float, float, float, float, float, float | None, bool]
"""(minute, open, high, low, close, volume, taker_volume or None, synthetic)."""


class Backfill(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Bars of one instrument that came after their minutes were sealed and are newer than its last row.

    `bars` ascend by minute.
    """

    instrument: str
    bars: tuple[BackfillBar, ...]


class SettingsChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """New settings, whole, as canonical JSON; only hot sections may differ from the running ones."""

    settings_json: str


class ModelChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True, omit_defaults=True):
    """Another model version trades from the next minute on; its files are on the tape under these hashes.

    `experts` are its own, in the order of the decisions' columns; none named: those of the run's first model,
    as on tapes of papertapes that swapped no others.
    """

    version: str
    files: dict[str, str]
    experts: tuple[str, ...] = ()


class UniverseChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """Instruments that join or leave. A joining one is warmed by a `Backfill`; a leaving one is closed."""

    added: tuple[Instrument, ...] = ()
    removed: tuple[str, ...] = ()

    def joining(self, names: Sequence[str]) -> tuple[Instrument, ...]:
        """Return who joins a universe of these names: also one that leaves it and comes back at once."""
        stay = set(names) - set(self.removed)
        return tuple(one for one in self.added if one.name not in stay)

    def after(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the universe after these, sorted."""
        joining = {one.name for one in self.added}
        return tuple(sorted((set(names) - set(self.removed)) | joining))

    def columns(self, names: Sequence[str]) -> IntArray:
        """Return (N',) the column among `names` of each instrument of `after`, -1 for one that joins."""
        old = {name: column for column, name in enumerate(names) if name not in self.removed}
        return np.array([old.get(name, -1) for name in self.after(names)], dtype=np.int64)


class CommandKind(StrEnum):
    """What a person may order."""

    PAUSE = "pause"
    RESUME = "resume"
    FREEZE = "freeze"
    FLATTEN = "flatten"


class Command(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A person's order to the trading state; `by` says who or what channel."""

    command: CommandKind
    by: str


class FeedLost(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A feed went away or silent; its instruments get no synthetic bars until it is restored."""

    feed: str
    instruments: tuple[str, ...]
    reason: str


class FeedRestored(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """A lost feed is proven back."""

    feed: str
    instruments: tuple[str, ...]


class ArithmeticChanged(Event, frozen=True, tag=True, tag_field="kind", kw_only=True):
    """The run goes on under other arithmetic or library versions: a new segment of the chain begins."""

    before: dict[str, str]
    after: dict[str, str]


AnyEvent = (
    Warmup
    | Backfill
    | SettingsChanged
    | ModelChanged
    | UniverseChanged
    | Command
    | FeedLost
    | FeedRestored
    | ArithmeticChanged
)


def model_subject(version: str) -> str:
    """Return the subject of a refusal to let a version of the model trade."""
    return f"model {version}"
