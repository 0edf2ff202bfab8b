"""One family of metrics: what it is called and what it means."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["gauge", "counter", "info", "histogram"]

PREFIX: Final = "papertape_"


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Attributes:
        name: Without the prefix.
        kind: Of metric; an `info` is a gauge of value 1 whose labels say it all.
        meaning: One sentence.
        labels: In the order of a series' label values.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as Prometheus stores it; a histogram's series add `_bucket`, `_sum` and `_count`."""
        return PREFIX + self.name
