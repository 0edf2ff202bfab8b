"""Plain data as JSON that comes back bit for bit: numbers, text, lists, mappings, arrays, Decimals, bytes.

JSON's floats are written in their shortest exact form. What JSON cannot say is a mapping with one key that
begins with `$`: arrays keep dtype, shape and little-endian bytes. Equal data gives equal bytes; nothing read
can run code.
"""

import base64
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from daemon.errors import BrokenBoundError

_ARRAY, _BYTES, _DECIMAL, _FLOAT = "$array", "$bytes", "$decimal", "$float"


def to_json(value: object) -> bytes:
    """Return plain data as JSON text, keys sorted, ending in a newline.

    Raises:
        BrokenBoundError: Something in it is no plain data.
    """
    return (
        json.dumps(_tagged(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()


def from_json(text: bytes) -> Any:
    """Return what `to_json` was given; tuples come back as lists.

    Raises:
        ValueError: The text is no JSON, or a tagged value in it is malformed.
    """
    return json.loads(text, object_hook=_untagged)


def _tagged(value: object) -> object:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping) and all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {key: _tagged(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if (
        value is None
        or isinstance(value, bool | int | str)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    return _special(value)


def _special(value: object) -> dict[str, object]:
    if isinstance(value, float):
        return {_FLOAT: repr(value)}
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        return {_ARRAY: [little.dtype.str, list(value.shape), base64.b64encode(little.tobytes()).decode()]}
    raise BrokenBoundError(f"a {type(value).__name__} is no plain data: {value!r:.80}")


def _untagged(mapping: dict[str, Any]) -> Any:
    if len(mapping) != 1:
        return mapping
    ((tag, content),) = mapping.items()
    if tag == _FLOAT:
        return float(content)
    if tag == _BYTES:
        return base64.b64decode(content, validate=True)
    if tag == _DECIMAL:
        return Decimal(content)
    if tag == _ARRAY:
        dtype, shape, data = content
        return (
            np.frombuffer(base64.b64decode(data, validate=True), dtype=np.dtype(dtype)).reshape(shape).copy()
        )
    return mapping
