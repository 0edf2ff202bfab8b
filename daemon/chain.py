"""The digest chain: what makes a tape provable.

Each batch carries the BLAKE2b-256 digest of the digest before it and of its own canonical encoding: msgpack
of the record in the fixed order of its fields, floats by their eight bytes, Decimals by their text, never a
pickle. The first digest is that of the run's header, so settings, instruments, model files and warm-up bars
are in every later one.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec

from daemon.events import (
    AnyEvent,
    BatchRecord,
    Event,
    EventRecord,
    Instrument,
    ModelChanged,
    Refusal,
    model_subject,
)

DIGEST_BYTES: Final = 32

_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(AnyEvent)


def genesis(
    header: Mapping[str, str], instruments: Iterable[Instrument], model_files: Mapping[str, str]
) -> bytes:
    """Return the digest a run's chain starts from.

    Args:
        header: What the run is made of (settings, fingerprints, ...), by name; order does not matter.
        instruments: The run's instruments in order of their id.
        model_files: The first model's file names and the hex digests of their content.
    """
    content = (
        sorted(header.items()),
        [instrument.to_text() for instrument in instruments],
        sorted(model_files.items()),
    )
    return _hash(_encoder.encode(content))


def digest(previous: bytes, record: BatchRecord) -> bytes:
    """Return the digest of `record` chained to `previous`; the one it holds already does not count."""
    if record.digest:
        record = msgspec.structs.replace(record, digest=b"")
    return blake2b(previous + _encoder.encode(record), digest_size=DIGEST_BYTES).digest()


def sealed(previous: bytes, record: BatchRecord) -> BatchRecord:
    """Return the record with its digest set."""
    return msgspec.structs.replace(record, digest=digest(previous, record))


def content_digest(content: bytes) -> str:
    """Return the hex digest by which a model file or a snapshot is known."""
    return _hash(content).hex()


class WarmupDigest:
    """The digest of warm-up bars, given as packed `BAR_RECORD` blocks cut anywhere between two rows."""

    def __init__(self) -> None:
        self._state = blake2b(digest_size=DIGEST_BYTES)

    def add(self, block: bytes) -> None:
        """Take the next block."""
        self._state.update(block)

    def value(self) -> bytes:
        """Return the digest of all blocks so far."""
        return self._state.digest()


def warmup_digest(blocks: Iterable[bytes]) -> bytes:
    """Return the digest of warm-up bars at once."""
    whole = WarmupDigest()
    for block in blocks:
        whole.add(block)
    return whole.value()


def record_event(seq: int, event: Event) -> EventRecord:
    """Return the event as it stands on the tape."""
    return EventRecord(seq=seq, kind=type(event).__name__, payload=_encoder.encode(event))


def read_event(record: EventRecord) -> AnyEvent:
    """Return the event that `record` holds."""
    event: AnyEvent = _event_decoder.decode(record.payload)
    return event


def swapped_in(events: Iterable[EventRecord], refusals: Iterable[Refusal]) -> ModelChanged | None:
    """Return what brought in the model that trades from a batch on, if that batch's events did.

    Args:
        events: Of the batch.
        refusals: Of the batch; a version that is refused there did not come.
    """
    refused = {refusal.subject for refusal in refusals}
    found = None
    for record in events:
        if record.kind == ModelChanged.__name__:
            event = read_event(record)
            if isinstance(event, ModelChanged) and model_subject(event.version) not in refused:
                found = event
    return found


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).digest()
