"""A bundle is a folder of plain files that comes back as it was, or is refused by the file that is wrong."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from daemon.errors import BundleError, SchemaMismatchError
from daemon.features.quanta import Quanta
from daemon.features.schema import Schema
from daemon.models.bundle import Bundle
from daemon.models.calibration import Calibrator
from daemon.models.online import OnlineLearner
from daemon.models.trees import BoostedTrees
from daemon.settings import FeatureSettings, LabelSettings, OnlineSettings, Settings
from tests.daemon.models.samples import FEATURES, random_batch, rows_with_moves, text_model

SCHEMA = Schema(FEATURES, tuple(f"log(lag(close, {number}))" for number in range(len(FEATURES))))


def taught() -> OnlineLearner:
    learner = OnlineLearner(FEATURES, OnlineSettings())
    learner.run(random_batch(1, 50))
    return learner


def sample() -> Bundle:
    return Bundle(
        name="momentum",
        settings_json=Settings().identity_json(),
        features=FeatureSettings(names=FEATURES),
        schema=SCHEMA,
        reference=("binance:A", "binance:B"),
        labels=LabelSettings(kind="barrier", barrier_up_sigma=1.1),
        experts=("trees", "online", "base_rate"),
        formulas={"own": "close / lag(close, 3)"},
        quanta={"binance:A": Quanta(-5, -3), "binance:B": Quanta(-8, 0)},
        trees=text_model(),
        trees_scale=0.1 + 0.2,
        learners={"online": taught().to_fields(), "base_rate": {"counts": [1, 2, 3]}},
        calibrators={"trees": Calibrator(bias=(0.1, -0.3, 1 / 3))},
        edge={"class_means": [-0.5, 0.0, 0.5], "slope": 0.25},
        psi={"edges": {"feature_0": np.array([-np.inf, 0.0, np.inf])}, "counts": np.arange(4)},
        ranges={"start": 28_000_000, "end": 28_010_000},
        metrics={"log_loss": 1.05},
        trained_at=1_700_000_000,
    )


def test_it_comes_back_as_it_was_and_equal_bundles_give_equal_bytes() -> None:
    files = sample().to_files()
    assert files == sample().to_files()
    back = Bundle.from_files(files)
    assert back.to_files() == files
    plain = (
        "name",
        "settings_json",
        "features",
        "schema",
        "reference",
        "labels",
        "experts",
        "formulas",
        "quanta",
    )
    for name in (
        *plain,
        "trees",
        "trees_scale",
        "learners",
        "calibrators",
        "edge",
        "ranges",
        "metrics",
        "trained_at",
    ):
        assert getattr(back, name) == getattr(sample(), name), name
    np.testing.assert_array_equal(back.psi["edges"]["feature_0"], [-np.inf, 0.0, np.inf])
    assert back.psi["counts"].dtype == np.int64


def test_experts_from_a_bundle_say_the_same_bits() -> None:
    back, values = Bundle.from_files(sample().to_files()), rows_with_moves(2, 50)[0]
    assert back.trees is not None
    np.testing.assert_array_equal(
        BoostedTrees(back.trees, back.schema.names).score(values),
        BoostedTrees(text_model(), FEATURES).score(values),
    )
    restored = OnlineLearner(FEATURES, OnlineSettings()).restored(back.learners["online"])
    np.testing.assert_array_equal(restored.run(random_batch(2, 50)), taught().run(random_batch(2, 50)))


def test_a_bundle_that_does_not_say_when_it_was_made_is_read() -> None:
    files = sample().to_files()
    without = signed(files, "bundle.json", lambda c: {k: v for k, v in c.items() if k != "trained_at"})
    assert Bundle.from_files(without).trained_at is None


def test_a_bundle_without_trees_has_no_file_for_them() -> None:
    files = replace(sample(), trees=None, experts=("online", "base_rate")).to_files()
    assert "trees.txt" not in files
    assert Bundle.from_files(files).trees is None


@pytest.mark.parametrize("name", sorted(sample().to_files()))
def test_any_changed_byte_is_found_and_its_file_named(name: str) -> None:
    files = sample().to_files()
    content = files[name]
    for place in range(0, len(content), max(1, len(content) // 25)):
        damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(
            BundleError, match=r"its content is not|missing from|SHA256SUMS: damaged"
        ) as caught:
            Bundle.from_files({**files, name: damaged})
        if name != "SHA256SUMS":
            assert str(caught.value).startswith(f"{name}: its content is not what SHA256SUMS says")


@pytest.mark.parametrize("name", sorted(sample().to_files()))
def test_a_missing_file_is_named(name: str) -> None:
    files = sample().to_files()
    del files[name]
    with pytest.raises(BundleError, match=f"{name}.* missing"):
        Bundle.from_files(files)


def test_a_folder_that_is_no_bundle_is_told_as_such_and_strange_files_do_no_harm() -> None:
    with pytest.raises(BundleError, match=r"no papertape bundle: SHA256SUMS is missing \(there is nothing\)"):
        Bundle.from_files({})
    with pytest.raises(BundleError, match=r"there is MLmodel, model\.pkl"):
        Bundle.from_files({"model.pkl": b"", "MLmodel": b""})
    assert Bundle.from_files({**sample().to_files(), "MLmodel": b"x"}).name == "momentum"
    without = replace(sample(), trees=None).to_files()
    with pytest.raises(BundleError, match=r"trees.txt: not named in SHA256SUMS"):
        Bundle.from_files({**without, "trees.txt": text_model()})


def signed(files: dict[str, bytes], name: str, change: Any) -> dict[str, bytes]:
    """Change a JSON file and set the sums right again, as somebody would who edits by hand."""
    content = change(json.loads(files[name]))
    changed = {**files, name: content if isinstance(content, bytes) else json.dumps(content).encode()}
    sums = "".join(
        f"{hashlib.sha256(changed[one]).hexdigest()}  {one}\n"
        for one in sorted(changed)
        if one != "SHA256SUMS"
    )
    return {**changed, "SHA256SUMS": sums.encode()}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "bundle.json",
            lambda c: {**c, "version": 99},
            "format 'papertape bundle' version 99; this papertape reads",
        ),
        ("bundle.json", lambda c: {**c, "format": "x"}, "bundle.json: format 'x'"),
        (
            "bundle.json",
            lambda c: {k: v for k, v in c.items() if k != "labels"},
            "bundle.json: labels is missing",
        ),
        ("bundle.json", lambda c: {**c, "labels": {"horizon_minutes": 0}}, "bundle.json: .*horizon_minutes"),
        ("bundle.json", lambda c: {**c, "ranges": 5}, "bundle.json: "),
        ("bundle.json", lambda c: {**c, "trained_at": "May"}, "bundle.json: trained_at is 'May', not whole"),
        (
            "features.json",
            lambda c: {**c, "quanta": {"binance:A": [1]}},
            "features.json: quanta of binance:A",
        ),
        ("features.json", lambda c: {**c, "schema": {**c["schema"], "version": 7}}, "features.json: .*hash"),
        ("calibration.json", lambda c: {"trees": {"matrix": [[1.0]]}}, "calibration.json: "),
        ("calibration.json", lambda c: {"trees": 3}, "calibration.json: "),
        ("edge.json", lambda c: [1], "edge.json: holds no mapping"),
        ("edge.json", lambda c: b"{", "edge.json: "),
        ("psi.json", lambda c: {"a": {"$array": ["<f8", [3], "AAAA"]}}, "psi.json: "),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(name: str, change: Any, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Bundle.from_files(signed(sample().to_files(), name, change))


def test_a_model_of_other_features_is_refused_with_the_features_that_differ() -> None:
    sample().check_schema(SCHEMA)
    computed = Schema(("other", *FEATURES[1:]), SCHEMA.formulas)
    with pytest.raises(SchemaMismatchError, match="'momentum' was trained on other features") as caught:
        sample().check_schema(computed)
    assert "feature_0" in str(caught.value)
    assert "other" in str(caught.value)
