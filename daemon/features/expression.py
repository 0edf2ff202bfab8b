"""The tree that a formula's text becomes, and what follows from it alone: units, warm-up, sign.

Four kinds of node: a number, a base column, an elementwise call, and a window (a primitive with state behind
it). Two nodes with the same canonical text are the same node, so the catalogue shares whatever its formulas
have in common.
"""

import math
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

SEED_WEIGHT = 1e-4
"""An exponential average counts as warm once its first value weighs less than this."""


class Kind(Enum):
    """What a node is."""

    NUMBER = "number"
    COLUMN = "column"
    CALL = "call"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a formula.

    Attributes:
        kind: What it is.
        name: Column, operator or function.
        args: The series it is made of.
        parameters: Its constants: a number's value; a window's rows, then units or a stated value.
        text: Canonical text; equal text means equal value.
    """

    kind: Kind = field(compare=False)
    name: str = field(compare=False)
    args: tuple["Node", ...] = field(compare=False)
    parameters: tuple[float, ...] = field(compare=False)
    text: str

    @property
    def is_bare(self) -> bool:
        """Whether its value is there without evaluating an expression."""
        return self.kind in {Kind.COLUMN, Kind.WINDOW}

    @property
    def rows(self) -> int:
        """Length of a window, in rows (same_minute: how many periods)."""
        return int(self.parameters[0])


def number(value: float) -> Node:
    """Make a constant."""
    return Node(Kind.NUMBER, "", (), (value,), repr(value))


def column(name: str) -> Node:
    """Refer to a base column."""
    return Node(Kind.COLUMN, name, (), (), name)


def call(name: str, *args: Node) -> Node:
    """Apply an elementwise operator or function."""
    if name.isalpha() and name not in {"and", "or", "not"}:
        text = f"{name}({', '.join(arg.text for arg in args)})"
    elif len(args) == 1:
        text = f"({name} {args[0].text})" if name == "not" else f"(-{args[0].text})"
    else:
        text = "(" + f" {name} ".join(arg.text for arg in args) + ")"
    return Node(Kind.CALL, name, args, (), text)


def window(name: str, args: tuple[Node, ...], parameters: tuple[float, ...]) -> Node:
    """Apply a primitive."""
    constants = [f"{p:g}" if p == int(p) and abs(p) < 1e6 else repr(p) for p in parameters]
    text = f"{name}({', '.join([*(arg.text for arg in args), *constants])})"
    return Node(Kind.WINDOW, name, args, parameters, text)


AVERAGES = frozenset({"ema", "wilder"})
PANEL = frozenset({"universe"})


def smoothing(node: Node) -> float:
    """Weight that an exponential average gives to the newest row: 2/(n+1) for `ema`, 1/n for `wilder`."""
    return 2.0 / (node.rows + 1) if node.name == "ema" else 1.0 / node.rows


@cache
def warmup_rows(node: Node) -> int:
    """Rows a lane needs, the newest included, before the node says what it means."""
    inner = max((warmup_rows(arg) for arg in node.args), default=1)
    return inner + _own_rows(node, seeded=True)


@cache
def history_rows(node: Node) -> int:
    """Rows before the newest that must be known to compute the node, its exponential averages given."""
    inner = max((history_rows(arg) for arg in node.args), default=0)
    return inner + _own_rows(node, seeded=False)


def _own_rows(node: Node, *, seeded: bool) -> int:
    if node.kind is not Kind.WINDOW or node.name in PANEL:
        return 0
    if node.name in AVERAGES:
        if not seeded or node.rows == 1:
            return 0
        return math.ceil(math.log(SEED_WEIGHT) / math.log(1.0 - smoothing(node)))
    if node.name == "same_minute":
        periods = (node.rows + 1) // 2 if seeded else node.rows
        return periods * int(node.parameters[1])
    return node.rows if node.name == "lag" else node.rows - 1


@cache
def contains(node: Node, names: frozenset[str]) -> bool:
    """Whether a window with one of these names is in the tree."""
    if node.kind is Kind.WINDOW and node.name in names:
        return True
    return any(contains(arg, names) for arg in node.args)


PRICES = frozenset({"open", "high", "low", "close"})
VOLUMES = frozenset({"volume", "taker"})
PURE = (0.0, 0.0)
PRICE = (1.0, 0.0)
VOLUME = (0.0, 1.0)
_LOGICAL = frozenset({"<", "<=", ">", ">=", "==", "!=", "and", "or", "not"})
_ALIKE = {"+": 0, "-": 0, "min": 0, "max": 0, "clip": 0, "where": 1}
"""Functions whose arguments share one unit, from which argument on."""


def is_logical(node: Node) -> bool:
    """Whether the node is true or false rather than a number."""
    return node.kind is Kind.CALL and node.name in _LOGICAL


@cache
def dimension(node: Node) -> tuple[float, float] | None:
    """Powers of (price, volume) in the node's unit; None where the formula mixes units."""
    if node.kind is Kind.NUMBER:
        return PURE
    if node.kind is Kind.COLUMN:
        return (
            PRICE
            if node.name in PRICES or node.name == "benchmark"
            else VOLUME
            if node.name in VOLUMES
            else PURE
        )
    if node.name in {"log", "sign", "round"} or is_logical(node):
        return PURE
    parts = [dimension(arg) for arg in node.args]
    if node.name in _ALIKE:
        relevant = [p for arg, p in zip(node.args, parts, strict=True) if not _is_zero(arg)][
            _ALIKE[node.name] :
        ]
        return relevant[0] if len(set(relevant)) == 1 else None
    if node.name == "ratio":
        parts = parts[:2]
    if any(part is None for part in parts):
        return None
    return _combined(node, [part for part in parts if part is not None])


def _is_zero(node: Node) -> bool:
    return node.kind is Kind.NUMBER and node.parameters[0] == 0.0


def _combined(node: Node, parts: list[tuple[float, float]]) -> tuple[float, float]:
    price, volume = parts[0]
    if node.name in {"*", "dot"}:
        return price + parts[1][0], volume + parts[1][1]
    if node.name in {"/", "ratio"}:
        return price - parts[1][0], volume - parts[1][1]
    if node.name == "sqrt":
        return price / 2.0, volume / 2.0
    if node.name == "variance":
        return price * 2.0, volume * 2.0
    return price, volume


@cache
def is_positive(node: Node) -> bool:  # noqa: PLR0911 - one return a kind of node
    """Whether the value is above zero on every valid history: a divisor, or what log takes."""
    if node.kind is Kind.NUMBER:
        return node.parameters[0] > 0.0
    if node.kind is Kind.COLUMN:
        return node.name in PRICES
    if node.kind is Kind.WINDOW:
        # A price is at least one quantum, so its sums stay above zero after rounding.
        # Other units may round to zero.
        if node.name in {"sum", "mean", "weighted"}:
            return len(node.parameters) == 1 and dimension(node) == PRICE and is_positive(node.args[0])
        return node.name in {"lag", "highest", "lowest", "ema", "wilder"} and is_positive(node.args[0])
    if node.name == "max":
        return any(is_positive(arg) for arg in node.args)
    if node.name in {"+", "*", "/", "min", "sqrt"}:
        return all(is_positive(arg) for arg in node.args)
    return node.name == "where" and is_positive(node.args[1]) and is_positive(node.args[2])
