"""Short checksums: of rows that the digest chain does not cover one by one, and of the parts of a batch.

The chain proves that nothing changed; these say where. They are no proof against intent: who can write a row
can write its checksum.
"""

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from adapters.tape.cells import float_cell
from daemon.events import BatchRecord, Book

PARTS: Final = (
    "batch",
    "bars",
    "events",
    "decisions",
    "orders",
    "ends",
    "fills",
    "changes",
    "vitals",
    "refusals",
    "book",
)
"""Parts of a batch in the order of their checksums; `batch` is its number, seq, minute and catch_up."""

_encoder = msgspec.msgpack.Encoder()
_NONE = b"\0\0"


def row_checksum(table: str, cells: Sequence[object]) -> bytes:
    """Return the checksum (16 bytes) of a row's other cells in the order of the table's columns.

    It is the same whether the database keeps an odd float as itself or as its bytes.
    """
    cells = [float_cell(cell) if type(cell) is float else cell for cell in cells]
    # SQLAlchemy's names are a subclass of str, which msgspec does not take.
    return blake2b(_encoder.encode((str(table), cells)), digest_size=16).digest()


class PartsChecksums:
    """Makes the checksums of batches one after the other; remembers the last book, which rarely changes."""

    def __init__(self) -> None:
        self._book: Book | None = None
        self._book_checksum = b""

    def of(self, record: BatchRecord) -> bytes:
        """Return two bytes for each of `PARTS`."""
        if record.book is not self._book:
            self._book, self._book_checksum = record.book, _two_bytes(_encoder.encode(record.book))
        head = (record.batch, record.seq, record.minute, record.catch_up)
        return b"".join(
            (
                _two_bytes(_encoder.encode(head)),
                _two_bytes(record.bars),
                _of_items(record.events),
                _two_bytes(record.decisions),
                _of_items(record.orders),
                _of_items(record.ends),
                _of_items(record.fills),
                _of_items(record.changes),
                _of_items(record.vitals),
                _of_items(record.refusals),
                self._book_checksum,
            )
        )


def differing_parts(stored: bytes, computed: bytes) -> tuple[str, ...]:
    """Return the names of the parts whose checksums differ."""
    pairs = enumerate(PARTS)
    return tuple(name for i, name in pairs if stored[2 * i : 2 * i + 2] != computed[2 * i : 2 * i + 2])


def _of_items(items: tuple[msgspec.Struct, ...]) -> bytes:
    return _two_bytes(_encoder.encode(items)) if items else _NONE


def _two_bytes(content: bytes) -> bytes:
    return (zlib.crc32(content) & 0xFFFF).to_bytes(2, "little")
