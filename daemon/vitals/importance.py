"""Which features a model's trees ask about, from LightGBM's text model."""

import re
from typing import Final

MOST_SHOWN: Final = 20
_SECTION: Final = re.compile(r"^feature_importances:\n(.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


def most_important(trees: bytes) -> list[tuple[str, float]]:
    """Return the features with the most splits and their shares of all splits, the largest first.

    Args:
        trees: LightGBM's text model; its section `feature_importances` counts splits by feature
            (https://lightgbm.readthedocs.io, parameter `saved_feature_importance_type` 0). Empty where a
            model has no trees.
    """
    found = _SECTION.search(trees.decode("utf-8"))
    if found is None:
        return []
    counts = [line.rpartition("=") for line in found[1].splitlines() if line]
    total = sum(float(count) for _, _, count in counts)
    shares = [(name, float(count) / total) for name, _, count in counts]
    return sorted(shares, key=lambda item: (-item[1], item[0]))[:MOST_SHOWN]
