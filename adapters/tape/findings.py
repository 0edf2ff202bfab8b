"""What a check of a tape found."""

from dataclasses import dataclass
from typing import Any, Self

from adapters.tape.pages import time_text


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written.

    Attributes:
        text: A sentence for a person: what, where.
        table: The table concerned, where one is.
        batch: The batch concerned, where one is.
        fields: The parts of the batch that changed, where they are known (see `checksums.PARTS`).
    """

    text: str
    table: str | None = None
    batch: int | None = None
    fields: tuple[str, ...] = ()

    @classmethod
    def of_bar(cls, minute: Any, key: Any, what: str) -> Self:
        """Return a finding about one bar."""
        return cls(f"bar of instrument {key!r} at {time_text(minute)}: {what}", table="bar")

    def __str__(self) -> str:
        """Return the sentence."""
        return self.text
