"""Why a scored instrument was traded or not: one number per decision, written on the tape.

The numbers are part of the tape's format: a new reason takes a new number, none is ever given another
meaning.
"""

from enum import IntEnum
from typing import Self


class Reason(IntEnum):
    """What became of one instrument in one minute; `label` is its word in the funnel and on orders.

    Attributes:
        meaning: The reason in a sentence.
    """

    meaning: str

    def __new__(cls, number: int, meaning: str = "") -> Self:
        """Make a reason; called with the number alone it finds the one there is."""
        reason = int.__new__(cls, number)
        reason._value_ = number
        reason.meaning = meaning
        return reason

    PASSED = 0, "The gate let it through; `Policy.decide` puts what became of it in its place."

    NOT_READY = 1, "Too few rows, too long a gap or no known sigma: not scored."
    CATCH_UP = 2, "The minute was missed live: scored, never traded."

    NO_EDGE = 3, "The expected edge is not above `edge_multiple` times the round-trip cost."
    WEAK_DIRECTION = 4, "p_up / (p_up + p_down) is not far enough towards 0 or 1."

    LONG_ONLY = 5, "A short signal where only longs are held; it may still close a long."
    ILLIQUID = 6, "Traded value per day is below `min_turnover`."
    VOLATILE = 7, "Not among the `max_volatility_share` of lowest volatility in its minute."
    NO_ENTRY = 8, "The trading state lets nothing in."
    FROZEN = 9, "The trading state lets no order through."
    FLATTENING = 10, "The trading state closes everything."
    STALE_FEED = 11, "The instrument's feed is lost."
    HALTED = 12, "No bar for `halt_minutes`."
    ORDER_PENDING = 13, "An order of this instrument still waits for its fill."
    MIN_HOLDING = 14, "An opposite position is held and has not been held for `min_holding_minutes` yet."
    NO_SIZE = (
        15,
        "The sizing rule gives nothing (no edge left after costs, or smoothing keeps the other side).",
    )
    CAP_GROSS = 16, "The cap on the sum of absolute weights leaves no room worth an order."
    CAP_NET = 17, "The cap on the absolute sum of weights leaves no room worth an order."
    BELOW_LOT = 18, "The target is the held quantity once floored to the lot: there is nothing to order."
    CONFIRMED = 19, "Held already, on this side: the horizon starts again, nothing is ordered."

    ENTRY = 30, "A position is opened."
    ADD = 31, "A position that is clearly smaller than its target is filled up."
    REVERSAL = 32, "An opposite position is closed and this side opened in one order."

    HORIZON = 40, "Closed: the horizon has passed since the last confirming signal."
    OPPOSITE = 41, "Closed: an opposite signal passed the gate."
    LIMIT = 42, "Reduced: a cap was outgrown."
    FLATTEN = 43, "Closed: the trading state says so."

    @property
    def label(self) -> str:
        """The reason as a word: lower case, e.g. `no_edge`."""
        return self.name.lower()


ENTRIES = frozenset({Reason.ENTRY, Reason.ADD, Reason.REVERSAL})
"""Reasons whose order a signal asked for: what the funnel follows to the fill."""

UNSCORED = frozenset({Reason.NOT_READY, Reason.CATCH_UP})
"""Reasons of rows that no decision was asked of."""
