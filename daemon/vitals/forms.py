"""In which form an expert is judged: as it speaks itself, or as its calibrator lets it be heard."""

from collections.abc import Sequence
from typing import Final, Literal

Form = Literal["calibrated", "raw"]

CALIBRATED: Final = "calibrated"
"""What is traded on. The blend, and an expert that needs no calibrator, have this form alone."""

RAW: Final = "raw"


def forms_of(names: Sequence[str], raw: Sequence[str]) -> tuple[tuple[str, Form], ...]:
    """Return name and form of every series that is judged: all as they are traded on, then the raw ones."""
    return (*((name, CALIBRATED) for name in names), *((name, RAW) for name in raw))
