"""Which features a model was trained on, in which order, and what they mean."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

FORMULAS_VERSION = 1
"""Raised whenever a window or function of the language computes something else than before."""

DTYPE = "float64"


@dataclass(frozen=True, slots=True)
class Schema:
    """Names, order, dtype and meaning of a feature matrix.

    Attributes:
        names: (F,) columns in order.
        formulas: (F,) canonical formulas, definitions written out.
        version: `FORMULAS_VERSION` that computed them.
        dtype: Of the matrix.
        hash: SHA-256 over all of these, hexadecimal.
    """

    names: tuple[str, ...]
    formulas: tuple[str, ...]
    version: int = FORMULAS_VERSION
    dtype: str = DTYPE
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the hash."""
        content = json.dumps([self.version, self.dtype, list(zip(self.names, self.formulas, strict=True))])
        object.__setattr__(self, "hash", hashlib.sha256(content.encode()).hexdigest())

    def differences(self, other: "Schema") -> list[str]:
        """Say how `other` (the model's) differs from this one: one sentence a feature, or nothing."""
        ours, theirs = (dict(zip(s.names, s.formulas, strict=True)) for s in (self, other))
        found = [
            f"{name}: the model has it, this run does not compute it"
            for name in other.names
            if name not in ours
        ]
        found += [
            f"{name}: this run computes it, the model has it not" for name in self.names if name not in theirs
        ]
        found += [
            f"{name}: the formula is {ours[name]} here and {theirs[name]} in the model"
            for name in self.names
            if name in theirs and ours[name] != theirs[name]
        ]
        if not found and self.names != other.names:
            moved = [a for a, b in zip(self.names, other.names, strict=True) if a != b]
            found.append(f"the order differs from {moved[0]} on")
        if self.version != other.version:
            found.append(f"formulas are version {self.version} here and {other.version} in the model")
        if self.dtype != other.dtype:
            found.append(f"values are {self.dtype} here and {other.dtype} in the model")
        return found

    def to_fields(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "names": list(self.names),
            "formulas": list(self.formulas),
            "version": self.version,
            "dtype": self.dtype,
            "hash": self.hash,
        }

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Read plain data back.

        Raises:
            ValueError: It is damaged: a part is missing, or the hash is not that of the content.
        """
        names, formulas, version = (fields.get(part) for part in ("names", "formulas", "version"))
        if not isinstance(names, list | tuple) or not isinstance(formulas, list | tuple):
            raise ValueError("a feature schema needs names and formulas")  # noqa: TRY004 - damaged data, not a wrong call
        if len(names) != len(formulas) or not isinstance(version, int):
            raise ValueError("a feature schema needs one formula a name, and a version")
        schema = cls(
            tuple(map(str, names)), tuple(map(str, formulas)), version, str(fields.get("dtype", DTYPE))
        )
        if fields.get("hash") != schema.hash:
            raise ValueError("the feature schema's hash is not that of its content")
        return schema
