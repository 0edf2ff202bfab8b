"""What trees ask about, against LightGBM's own count."""

import lightgbm
import numpy as np
import pytest

from daemon.vitals.importance import MOST_SHOWN, most_important
from tests import runs


def test_the_shares_are_lightgbms_own_counts_of_splits() -> None:
    trees = runs.bundle().to_files()["trees.txt"]
    booster = lightgbm.Booster(model_str=trees.decode())
    counts = booster.feature_importance("split")
    expected = {
        name: count / counts.sum()
        for name, count in zip(booster.feature_name(), counts, strict=True)
        if count
    }
    shown = most_important(trees)
    assert len(shown) == min(MOST_SHOWN, len(expected))
    assert [share for _, share in shown] == pytest.approx(
        np.sort(list(expected.values()))[::-1][: len(shown)]
    )
    assert all(expected[name] == pytest.approx(share) for name, share in shown)


def test_a_model_without_trees_has_no_features_to_show() -> None:
    assert most_important(b"") == []
