"""Elementwise formulas as polars expressions: no reduction, and no division by a constant."""

from collections.abc import Callable, Mapping

import polars as pl

from daemon.features.expression import Kind, Node


def _sqrt(args: list[pl.Expr]) -> pl.Expr:
    # A difference that should be zero may come out just below it.
    return pl.when(args[0] > 0.0).then(args[0]).otherwise(0.0).sqrt()


def _ratio(args: list[pl.Expr]) -> pl.Expr:
    return pl.when(args[1] != 0.0).then(args[0] / args[1]).otherwise(args[2])


_FUNCTIONS: Mapping[str, Callable[[list[pl.Expr]], pl.Expr]] = {
    "+": lambda a: a[0] + a[1],
    "*": lambda a: a[0] * a[1],
    "/": lambda a: a[0] / a[1],
    "<": lambda a: a[0] < a[1],
    "<=": lambda a: a[0] <= a[1],
    ">": lambda a: a[0] > a[1],
    ">=": lambda a: a[0] >= a[1],
    "==": lambda a: a[0] == a[1],
    "!=": lambda a: a[0] != a[1],
    "not": lambda a: ~a[0],
    "and": pl.all_horizontal,
    "or": pl.any_horizontal,
    "-": lambda a: a[0] - a[1] if len(a) == 2 else -a[0],
    "abs": lambda a: a[0].abs(),
    "sqrt": _sqrt,
    "log": lambda a: a[0].log(),
    "sign": lambda a: a[0].sign(),
    "round": lambda a: a[0].round(),
    "min": pl.min_horizontal,
    "max": pl.max_horizontal,
    "clip": lambda a: pl.min_horizontal(pl.max_horizontal(a[0], a[1]), a[2]),
    "where": lambda a: pl.when(a[0]).then(a[1]).otherwise(a[2]),
    "ratio": _ratio,
}


def to_polars(node: Node, known: set[str], inputs: dict[str, str]) -> pl.Expr:
    """Translate a tree whose leaves are known.

    Args:
        node: The tree.
        known: Texts of the nodes whose values are there as columns.
        inputs: Text -> name in the frame; the columns used are added to it.
    """
    if node.text in known:
        return pl.col(inputs.setdefault(node.text, f"in{len(inputs)}"))
    if node.kind is Kind.NUMBER:
        return pl.lit(node.parameters[0], dtype=pl.Float64)
    return _FUNCTIONS[node.name]([to_polars(arg, known, inputs) for arg in node.args])
