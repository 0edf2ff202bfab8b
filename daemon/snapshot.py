"""Engine state to versioned plain data and back, with bytes that do not depend on the machine.

A snapshot is compressed msgpack of numbers, text, bytes, lists and mappings. Arrays and Decimals are tagged
mappings; nothing in it can run code when it is read.
"""

import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import numpy as np

from daemon.errors import SnapshotVersionError, TapeDamagedError
from daemon.events import Snapshot

SNAPSHOT_VERSION: Final = 4

_ARRAY = "\x00array"
_DECIMAL = "\x00decimal"


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return the snapshot as bytes; equal states give equal bytes."""
    content = [[snapshot.batch, snapshot.seq, snapshot.minute], _plain(snapshot.state)]
    return msgspec.msgpack.encode([snapshot.version, zlib.compress(msgspec.msgpack.encode(content), 1)])


def decode_snapshot(content: bytes) -> Snapshot:
    """Return the snapshot that `encode_snapshot` wrote.

    Raises:
        SnapshotVersionError: Another version of papertape wrote it.
        TapeDamagedError: The bytes are no snapshot.
    """
    version, compressed = _pair(content, msgspec.msgpack.decode)
    if version != SNAPSHOT_VERSION:
        message = (
            f"the tape's snapshot has version {version}, this papertape reads {SNAPSHOT_VERSION}; "
            "use the papertape that wrote it, or replay from the start"
        )
        raise SnapshotVersionError(message)
    (batch, seq, minute), state = _pair(
        compressed, lambda packed: msgspec.msgpack.decode(zlib.decompress(packed))
    )
    return Snapshot(batch=batch, seq=seq, minute=minute, version=version, state=_restored(state))


HEAD_BYTES: Final = 2
"""So much of a snapshot's beginning tells its version."""


def has_this_version(head: bytes) -> bool:
    """Whether a snapshot that begins so can be decoded here."""
    return head == msgspec.msgpack.encode([SNAPSHOT_VERSION, b""])[:HEAD_BYTES]


def encode_plain(state: object) -> bytes:
    """Return plain data (numbers, text, bytes, arrays, Decimals, lists, mappings) as compressed bytes."""
    return zlib.compress(msgspec.msgpack.encode(_plain(state)), 1)


def decode_plain(content: bytes) -> Any:
    """Return what `encode_plain` was given; tuples come back as lists.

    Raises:
        TapeDamagedError: The bytes are no such data.
    """
    try:
        return _restored(msgspec.msgpack.decode(zlib.decompress(content), strict=False))
    except (msgspec.DecodeError, zlib.error) as error:
        raise TapeDamagedError(f"plain data on the tape cannot be read ({error})") from error


def _pair(content: bytes, read: Callable[[bytes], Any]) -> tuple[Any, Any]:
    try:
        first, second = read(content)
    except (msgspec.DecodeError, TypeError, ValueError, zlib.error) as error:
        message = f"a snapshot on the tape cannot be read ({error}); replay from the start"
        raise TapeDamagedError(message) from error
    return first, second


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        # Its bytes as they lie there: a copy of each would double what a snapshot takes while it is made.
        return {_ARRAY: [little.dtype.str, list(value.shape), little.reshape(-1).view(np.uint8).data]}
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        dtype, shape, content = value[_ARRAY]
        return np.frombuffer(content, dtype=np.dtype(dtype)).reshape(shape).copy()
    if _DECIMAL in value:
        return Decimal(value[_DECIMAL])
    return {key: _restored(item) for key, item in value.items()}
