"""What can be made to go wrong at a simulated exchange, on command."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

import msgspec

OnceKind = Literal["disconnect", "shutdown", "garbage", "truncated", "oversized", "wrong_types"]
LastingKind = Literal[
    "silence",
    "stall",
    "delay",
    "duplicate",
    "out_of_order",
    "revise",
    "unflagged",
    "withheld",
    "absent",
    "ignored_subscription",
    "http_error",
    "slow",
    "refused_connections",
]

MEANING: Final[dict[str, str]] = {
    "disconnect": "every stream connection is cut without a closing handshake",
    "shutdown": "`serverShutdown` is announced; the connections are cut ten seconds later",
    "garbage": "a frame of bytes that are no JSON",
    "truncated": "a frame that ends in its middle, and with it the connection",
    "oversized": "a frame of two megabytes",
    "wrong_types": "bars with fields of wrong types, impossible prices, a minute off the grid",
    "silence": "connections stay open and are pinged, no data comes",
    "stall": "connections stay open, nothing at all comes, nothing is read",
    "delay": "data frames come `seconds` late",
    "duplicate": "every closed bar comes twice",
    "out_of_order": "closed bars come after those of the next minute",
    "revise": "closed bars come again a second later with another close and volume",
    "unflagged": "closed bars come without their flag, as if they were still forming",
    "withheld": "closed bars never come; history has them",
    "absent": "the exchange has no such minutes, in the stream or in history",
    "ignored_subscription": "subscriptions are confirmed and nothing is delivered on them",
    "http_error": "history answers with `status`",
    "slow": "history answers after `seconds`",
    "refused_connections": "new stream connections are refused with 503",
}
"""Every fault by its name."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field=None):
    """A fault to be made.

    Attributes:
        fault: Its name, a key of `MEANING`.
        for_s: How long it lasts, in the exchange's seconds; for those that happen once it says nothing.
        symbols: Whom it strikes; nobody named is everybody.
        seconds: Of `delay` and `slow`.
        status: Of `http_error`.
    """

    fault: OnceKind | LastingKind
    for_s: float = 0.0
    symbols: tuple[str, ...] = ()
    seconds: float = 0.0
    status: int = 503

    @property
    def lasts(self) -> bool:
        """Whether it is in force for a while."""
        return self.fault in _LASTING

    def strikes(self, symbol: str) -> bool:
        """Whether it is about this symbol."""
        return not self.symbols or symbol in self.symbols


_LASTING: Final = frozenset(get_args(LastingKind))


class Faults:
    """The faults in force; for one event loop."""

    def __init__(self) -> None:
        self._lasting: list[tuple[float, Fault]] = []

    def begin(self, fault: Fault, now_ms: int) -> None:
        """Put a lasting fault in force from now on."""
        self._lasting.append((now_ms + 1000.0 * fault.for_s, fault))

    def expire(self, now_ms: int) -> None:
        """Forget those that are over."""
        self._lasting = [(end, fault) for end, fault in self._lasting if end > now_ms]

    def clear(self) -> None:
        """End all of them."""
        self._lasting.clear()

    def of(self, kind: LastingKind, symbol: str | None = None) -> Fault | None:
        """Return the fault of this kind that strikes a symbol (None: anybody), or None."""
        for _, fault in self._lasting:
            if fault.fault == kind and (symbol is None or fault.strikes(symbol)):
                return fault
        return None

    @property
    def in_force(self) -> Sequence[Fault]:
        """All of them, oldest first."""
        return [fault for _, fault in self._lasting]
