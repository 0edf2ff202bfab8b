"""The small language of formulas: Python's expression syntax, a fixed set of names, nothing else.

Base columns: open high low close volume, taker (what takers bought; half the volume where the venue does not
say), benchmark (close of the benchmark this minute, 0 where it has none), minute_of_day, day_of_week,
day_sin, day_cos, week_sin, week_cos.

Elementwise: + - * / ** (2 or 3), comparisons, and or not, abs sqrt log sign round min max clip(x, low, high)
where(condition, a, b) ratio(a, b, otherwise). `/` takes only a divisor that cannot be zero; `ratio` states
its value for zero.

Windows over the last n rows of a lane: lag(x, n) sum mean weighted variance meandev highest lowest (x, n),
dot(x, y, n), ema(x, n) wilder(x, n); change(n) is the log return over n rows. Whatever is summed is first
rounded to whole units: the instrument's quantum for prices and volumes, 1e-9 for pure numbers, or a unit
given as a further argument; a summed series saturates at 2^49 of its units (prices at 2^45).

By the clock: same_minute(x, n, period, otherwise), the mean of x at this minute of the last n periods of 60
or 1440 minutes; universe(x, otherwise), the mean over the reference list's members with a row this minute.
"""

import ast
import math
from collections.abc import Mapping

from daemon.errors import FormulaError
from daemon.features.expression import (
    AVERAGES,
    PANEL,
    PRICE,
    PURE,
    VOLUME,
    Kind,
    Node,
    call,
    column,
    contains,
    dimension,
    is_logical,
    is_positive,
    number,
    window,
)

CALENDAR = ("minute_of_day", "day_of_week", "day_sin", "day_cos", "week_sin", "week_cos")
COLUMNS = ("open", "high", "low", "close", "volume", "taker", "benchmark", *CALENDAR)
MAX_WINDOW_ROWS = 10_080
MAX_DEVIATION_ROWS = 64
MAX_TEXT = 4_000

UNITS_PER_ONE = 1e9
PRICE_BOUND = 2.0**45
OTHER_BOUND = 2.0**49
"""Whole units at which a summed series saturates: for prices four times what a bar may have."""

_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_ELEMENTWISE = {
    "abs": (1, 1), "sqrt": (1, 1), "log": (1, 1), "sign": (1, 1), "round": (1, 1), "min": (2, 9),
    "max": (2, 9), "clip": (3, 3), "where": (3, 3), "ratio": (2, 3),
}  # fmt: skip
_WINDOWS = {
    "lag": (1, 1, 1), "sum": (1, 1, 2), "mean": (1, 1, 2), "weighted": (1, 1, 2), "variance": (1, 1, 2),
    "meandev": (1, 1, 2), "highest": (1, 1, 1), "lowest": (1, 1, 1), "ema": (1, 1, 1), "wilder": (1, 1, 1),
    "dot": (2, 1, 3), "same_minute": (1, 2, 3), "universe": (1, 0, 1),
}  # fmt: skip
"""Window -> how many series it takes, and how few and how many constants after them."""

CLOCKED = frozenset({"same_minute", "universe"})
_MIXED = ("mixes units; give, after the rows, the unit it is rounded to", "has no common unit; take a ratio")
SUMMED = frozenset({"sum", "mean", "weighted", "variance", "meandev", "dot", "same_minute", "universe"})
FUNCTIONS = tuple(sorted([*_ELEMENTWISE, *_WINDOWS, "change"]))


def parse(name: str, text: str, definitions: Mapping[str, str] | None = None) -> Node:
    """Turn a formula's text into its tree.

    Args:
        name: The feature's name, for messages.
        text: The formula.
        definitions: Other formulas that this one may use by name.

    Raises:
        FormulaError: The text is malformed, uses what the language has not, looks ahead, may divide by zero,
            or sums more than 64 bits hold; says where and what to do.
    """
    node = _Parser(name, definitions or {}).parse(text)
    if is_logical(node):
        raise FormulaError(f"feature {name}: it is true or false; write where(..., 1, 0)")
    if node.kind is Kind.NUMBER:
        raise FormulaError(f"feature {name}: it is a constant")
    return node


class _Parser:
    """Walks one formula's syntax tree, inlining definitions as they are named."""

    def __init__(self, name: str, definitions: Mapping[str, str]) -> None:
        self._name = name
        self._definitions = definitions
        self._open_names: list[str] = []

    def parse(self, text: str) -> Node:
        if len(text) > MAX_TEXT:
            raise FormulaError(f"feature {self._name}: the formula is longer than {MAX_TEXT} characters")
        try:
            tree = ast.parse(text.strip().replace("\n", " "), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise FormulaError(f"feature {self._name}: {text!r} is no expression: {error}") from error
        return self._visit(tree.body)

    def _fail(self, at: ast.AST, problem: str) -> FormulaError:
        where = f" at column {getattr(at, 'col_offset', 0) + 1}"
        inside = f" (inside {self._open_names[-1]})" if self._open_names else ""
        return FormulaError(f"feature {self._name}{where}{inside}: {problem}")

    def _visit(self, at: ast.expr) -> Node:  # noqa: PLR0911 - one return a kind of syntax
        match at:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._number(at, value)
            case ast.Name(id=name):
                return self._named(at, name)
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2 | 3 as power)):
                base = self._series(left)
                square = call("*", base, base)
                return square if power == 2 else call("*", square, base)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return self._arithmetic(at, _ARITHMETIC[type(op)], self._series(left), self._series(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._series(operand)
                return number(-inner.parameters[0]) if inner.kind is Kind.NUMBER else call("-", inner)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return call("not", self._condition(operand))
            case ast.BoolOp(op=op, values=values):
                return call("and" if isinstance(op, ast.And) else "or", *(self._condition(v) for v in values))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return call(_COMPARISONS[type(op)], self._series(left), self._series(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(at, name, args)
            case _:
                raise self._fail(at, f"{ast.unparse(at)!r} is not part of the language")

    def _number(self, at: ast.expr, value: float) -> Node:
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        if not math.isfinite(result):
            raise self._fail(at, "a number must be finite")
        return number(result)

    def _named(self, at: ast.expr, name: str) -> Node:
        if name in COLUMNS:
            return column(name)
        if name not in self._definitions:
            known = ", ".join(COLUMNS)
            raise self._fail(at, f"there is no column or formula {name!r}; columns are {known}")
        if name in self._open_names:
            raise self._fail(at, f"{name} is defined by itself")
        self._open_names.append(name)
        node = self.parse(self._definitions[name])
        self._open_names.pop()
        return node

    def _series(self, at: ast.expr) -> Node:
        node = self._visit(at)
        if is_logical(node):
            raise self._fail(at, "a condition is no number; write where(condition, 1, 0)")
        return node

    def _condition(self, at: ast.expr) -> Node:
        node = self._visit(at)
        if not is_logical(node):
            raise self._fail(at, "a condition is needed here, for instance close > open")
        return node

    def _arithmetic(self, at: ast.expr, operator: str, left: Node, right: Node) -> Node:
        if left.kind is right.kind is Kind.NUMBER:
            return self._folded(at, operator, left.parameters[0], right.parameters[0])
        if operator != "/":
            return call(operator, left, right)
        if right.kind is Kind.NUMBER:
            # polars multiplies by the reciprocal, except on one row: so we do, always.
            return call("*", left, self._folded(at, "/", 1.0, right.parameters[0]))
        if not is_positive(right):
            raise self._fail(at, f"{right.text} may be zero; write ratio(a, b, value where b is zero)")
        return call("/", left, right)

    def _folded(self, at: ast.expr, operator: str, left: float, right: float) -> Node:
        if operator == "/" and right == 0.0:
            raise self._fail(at, "division by zero")
        values = {"+": left + right, "-": left - right, "*": left * right}
        return self._number(at, values[operator] if operator in values else left / right)

    def _call(self, at: ast.expr, name: str, args: list[ast.expr]) -> Node:
        if name == "change":
            return self._change(at, args)
        if name in _ELEMENTWISE:
            return self._elementwise(at, name, args)
        if name in _WINDOWS:
            return self._window(at, name, args)
        raise self._fail(at, f"there is no function {name!r}; functions are {', '.join(FUNCTIONS)}")

    def _elementwise(self, at: ast.expr, name: str, args: list[ast.expr]) -> Node:
        least, most = _ELEMENTWISE[name]
        if not least <= len(args) <= most:
            raise self._fail(at, f"{name} takes {least if least == most else f'{least} to {most}'} arguments")
        if name == "where":
            nodes = [self._condition(args[0]), self._series(args[1]), self._series(args[2])]
        else:
            nodes = [self._series(arg) for arg in args]
        if name == "ratio" and len(nodes) == 2:
            nodes.append(number(0.0))
        if name == "log" and not is_positive(nodes[0]):
            raise self._fail(at, f"{nodes[0].text} may be zero or less; write log(max(..., 1e-12))")
        if all(node.kind is Kind.NUMBER for node in nodes):
            raise self._fail(at, f"{name} of constants only")
        return call(name, *nodes)

    def _change(self, at: ast.expr, args: list[ast.expr]) -> Node:
        if len(args) != 1:
            raise self._fail(at, "change takes the number of rows")
        rows = self._rows(at, args[0])
        level = call("round", call("*", call("log", column("close")), number(UNITS_PER_ONE)))
        if rows == 1:
            # The logarithm of a lagged close is the lagged logarithm, and one evaluation earlier.
            lagged = window("lag", (column("close"),), (1.0,))
            before = call("round", call("*", call("log", lagged), number(UNITS_PER_ONE)))
        else:
            before = window("lag", (level,), (float(rows),))
        return call("*", call("-", level, before), number(1.0 / UNITS_PER_ONE))

    def _rows(self, at: ast.expr, arg: ast.expr) -> int:
        node = self._visit(arg)
        if node.kind is not Kind.NUMBER or node.parameters[0] != int(node.parameters[0]):
            raise self._fail(at, "the number of rows must be a whole number")
        rows = int(node.parameters[0])
        if rows < 1:
            raise self._fail(at, "a window or lag of less than one row would look ahead")
        if rows > MAX_WINDOW_ROWS:
            raise self._fail(at, f"windows are at most {MAX_WINDOW_ROWS} rows long")
        return rows

    def _window(self, at: ast.expr, name: str, args: list[ast.expr]) -> Node:
        n_series, least, most = _WINDOWS[name]
        if not n_series + least <= len(args) <= n_series + most:
            raise self._fail(at, f"{name} takes {n_series} series and {least} to {most} constants")
        series = tuple(self._series(arg) for arg in args[:n_series])
        constants = [self._visit(arg) for arg in args[n_series:]]
        if any(node.kind is not Kind.NUMBER for node in constants):
            raise self._fail(at, f"what follows the series in {name} must be constants")
        parameters = tuple(node.parameters[0] for node in constants)
        if name != "universe":
            self._rows(at, args[n_series])
        node = window(name, series, self._completed(at, name, parameters))
        self._check(at, node)
        return node

    def _completed(self, at: ast.expr, name: str, parameters: tuple[float, ...]) -> tuple[float, ...]:
        if name == "universe":
            return parameters or (0.0,)
        if name == "same_minute":
            if parameters[1] not in {60.0, 1440.0}:
                raise self._fail(at, "the period of same_minute is 60 or 1440 minutes")
            if parameters[0] * parameters[1] > MAX_WINDOW_ROWS:
                raise self._fail(at, f"same_minute looks back at most {MAX_WINDOW_ROWS} minutes")
            return (*parameters, 0.0)[:3]
        if any(unit <= 0.0 for unit in parameters[1:]):
            raise self._fail(at, "a unit must be above zero")
        return parameters

    def _check(self, at: ast.expr, node: Node) -> None:
        """Refuse what could not be rebuilt from bars, has no unit, or may pass 64 bits."""
        for index, arg in enumerate(node.args):
            if arg.kind is Kind.NUMBER:
                raise self._fail(at, f"{node.name} of a constant")
            if contains(arg, PANEL):
                raise self._fail(at, f"{node.name} over universe(...): take universe of a window instead")
            if node.name not in AVERAGES | PANEL and contains(arg, AVERAGES):
                raise self._fail(at, f"{node.name} over an exponential average cannot be rebuilt from bars")
            if node.name in SUMMED and not self._has_unit(node, index, arg):
                raise self._fail(at, f"{arg.text} {_MIXED[node.name in CLOCKED]}")
        if node.name == "meandev" and node.rows > MAX_DEVIATION_ROWS:
            raise self._fail(
                at, f"meandev costs its window's length; it takes at most {MAX_DEVIATION_ROWS} rows"
            )
        factor = {"weighted": node.rows * (node.rows + 1) / 2, "meandev": 2.0 * node.rows * node.rows}
        bound = PRICE_BOUND if dimension(node.args[0]) == PRICE else OTHER_BOUND
        if node.name in SUMMED - PANEL and factor.get(node.name, node.rows) * bound >= 2.0**63:
            raise self._fail(at, f"{node.text} may pass 64 bits; take fewer rows")

    @staticmethod
    def _has_unit(node: Node, index: int, arg: Node) -> bool:
        if node.name == "universe":
            return dimension(arg) == PURE
        given = node.name != "same_minute" and len(node.parameters) > index + 1
        return given or dimension(arg) in {PURE, PRICE, VOLUME}
