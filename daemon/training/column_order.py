"""LightGBM text models with their columns in another order: the same trees, other column numbers."""

import re
from collections.abc import Sequence
from typing import Final

from daemon.errors import BundleError
from daemon.models.tree_text import check_names, read_header

_BY_FEATURE: Final = (b"feature_names", b"feature_infos", b"monotone_constraints")
"""Header lines that hold one word for each column."""


def with_column_order(model: bytes, names: Sequence[str]) -> bytes:
    """Return a model that predicts the same from columns in the order of `names`.

    The features of a plan stand in the catalogue's order, whatever order a model was trained in.

    Args:
        model: LightGBM's text model.
        names: The model's own features, in any order.

    Raises:
        BundleError: It is no LightGBM text model, a damaged one, or one with linear leaves.
        SchemaMismatchError: The names are not the model's; says which are not.
    """
    own = read_header(model).features
    if own == tuple(names):
        return model
    check_names(sorted(own), sorted(names))
    place = {name: column for column, name in enumerate(names)}
    moved_to = [place[name] for name in own]
    header, _, trees = model.partition(b"\nTree=")
    sizes = [int(size) for size in _field(header, b"tree_sizes").split()]
    blocks, start = [], 0
    trees = b"Tree=" + trees
    for size in sizes:
        blocks.append(_moved(trees[start : start + size], moved_to))
        start += size
    lines = [_reordered(line, moved_to) for line in header.split(b"\n")]
    lines = [
        b"tree_sizes=" + b" ".join(b"%d" % len(block) for block in blocks)
        if line.startswith(b"tree_sizes=")
        else line
        for line in lines
    ]
    return b"\n".join(lines) + b"\n" + b"".join(blocks) + trees[start:]


def _field(header: bytes, name: bytes) -> bytes:
    match = re.search(rb"^" + name + rb"=(.*)$", header, re.MULTILINE)
    return match.group(1) if match else b""


def _reordered(line: bytes, moved_to: Sequence[int]) -> bytes:
    """Move the words of a header line that has one for each column."""
    key, _, value = line.partition(b"=")
    if key not in _BY_FEATURE:
        return line
    words = value.split()
    moved = [b""] * len(words)
    for word, column in zip(words, moved_to, strict=True):
        moved[column] = word
    return key + b"=" + b" ".join(moved)


def _moved(block: bytes, moved_to: Sequence[int]) -> bytes:
    """Renumber the columns that one tree splits on."""
    if _field(block, b"is_linear") == b"1":
        raise BundleError(
            "the model has linear leaves (linear_tree), which cannot be packed: train it without."
        )

    def renumbered(match: re.Match[bytes]) -> bytes:
        return b"split_feature=" + b" ".join(
            b"%d" % moved_to[int(column)] for column in match.group(1).split()
        )

    return re.sub(rb"(?m)^split_feature=(.*)$", renumbered, block)
