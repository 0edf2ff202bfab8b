"""LightGBM's text models, checked before LightGBM reads them: it kills the process over a truncated one.

The header states each tree's size in bytes; a tree block states its leaves, and one value of each kind for
every leaf or split.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.errors import BundleError, SchemaMismatchError

_BY_SPLIT = (b"split_feature", b"threshold", b"decision_type", b"left_child", b"right_child")
_MEND = "save the model again with Booster.save_model, or train or pack it again"


@dataclass(frozen=True, slots=True)
class TreeHeader:
    """What a text model says of itself.

    Attributes:
        objective: E.g. `multiclass`; `custom` where it names none.
        options: The objective's options, e.g. {"num_class": "3"}.
        features: Names of its columns, in order.
    """

    objective: str
    options: dict[str, str]
    features: tuple[str, ...]


def read_header(model: bytes) -> TreeHeader:
    """Check that a text model is whole, and return its header.

    Raises:
        BundleError: It is no LightGBM text model, or a damaged one.
    """
    header, mark, trees = model.partition(b"\nTree=")
    fields = dict(re.findall(rb"^([a-z_]+)=(.*)$", header, re.MULTILINE))
    if not header.startswith(b"tree\n") or not mark or not {b"feature_names", b"tree_sizes"} <= fields.keys():
        raise BundleError(f"the boosted trees are no LightGBM text model; {_MEND}")
    _check_trees(b"Tree=" + trees, [int(size) for size in fields[b"tree_sizes"].split()])
    objective, *options = fields.get(b"objective", b"").decode().split() or ["custom"]
    return TreeHeader(
        objective=objective,
        options=dict(option.split(":", 1) for option in options if ":" in option),
        features=tuple(fields[b"feature_names"].decode().split()),
    )


def with_feature_names(model: bytes, features: Sequence[str]) -> bytes:
    """Name the columns of a text model that was trained on a bare array (`Column_0`, `Column_1`, ...).

    Raises:
        BundleError: It is no LightGBM text model, or a damaged one.
        SchemaMismatchError: It has another number of columns, or names of its own that differ.
    """
    own = read_header(model).features
    if own == tuple(f"Column_{column}" for column in range(len(own))):
        if len(own) != len(features):
            raise SchemaMismatchError(
                f"boosted trees: the model has {len(own)} columns without names, "
                f"for which {len(features)} names are given"
            )
        return re.sub(
            rb"(?m)^feature_names=.*$", b"feature_names=" + " ".join(features).encode(), model, count=1
        )
    check_names(own, features)
    return model


def check_names(own: Sequence[str], wanted: Sequence[str]) -> None:
    """Compare a model's features with those it would be given.

    Raises:
        SchemaMismatchError: They differ; names which.
    """
    if list(own) == list(wanted):
        return
    only_model = [name for name in own if name not in set(wanted)]
    only_here = [name for name in wanted if name not in set(own)]
    parts = []
    if only_model:
        parts.append(
            f"the model was trained on {', '.join(only_model)}, which this feature set does not have"
        )
    if only_here:
        parts.append(f"the model does not know {', '.join(only_here)}")
    if not parts:
        moved = [f"{a} where {b} is wanted" for a, b in zip(own, wanted, strict=False) if a != b]
        parts.append(f"the features stand in another order: {', '.join(moved)}")
    raise SchemaMismatchError("boosted trees: " + "; ".join(parts))


def _check_trees(trees: bytes, sizes: list[int]) -> None:
    start = 0
    for number, size in enumerate(sizes):
        block = trees[start : start + size]
        if len(block) != size or not block.startswith(b"Tree=%d\n" % number) or not _is_whole(block):
            raise BundleError(f"the boosted trees are damaged at tree {number} of {len(sizes)}; {_MEND}")
        start += size
    if not trees.startswith(b"end of trees", start) or b"\nend of parameters" not in trees[start:]:
        raise BundleError(f"the boosted trees are damaged after tree {len(sizes) - 1}; {_MEND}")


def _is_whole(block: bytes) -> bool:
    fields = dict(line.partition(b"=")[::2] for line in block.splitlines())
    leaves = fields.get(b"num_leaves", b"")
    if not leaves.isdigit() or len(fields.get(b"leaf_value", b"").split()) != int(leaves):
        return False
    return int(leaves) == 1 or all(
        len(fields.get(name, b"").split()) == int(leaves) - 1 for name in _BY_SPLIT
    )
