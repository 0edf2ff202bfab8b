"""A model on disk: everything that a run needs to decide, as a folder of text files.

    SHA256SUMS        digest of every other file (`sha256sum -c SHA256SUMS` checks a folder by hand)
    bundle.json       name, experts, labels, reference list, ranges, metrics, when and with what settings made
    features.json     feature settings, schema, own formulas, quanta
    trees.txt         LightGBM's text model (absent without the expert `trees`)
    learners.json     state of the experts that learn, at the end of training
    calibration.json  one calibrator per expert
    edge.json         the edge regression
    psi.json          the reference distributions of features and predictions

No pickles: a bundle from a stranger can be wrong, but it cannot run code. Equal bundles give equal bytes.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from pydantic import ValidationError

from daemon.errors import BundleError, SchemaMismatchError
from daemon.features.quanta import Quanta, quanta_from_fields, quanta_to_fields
from daemon.features.schema import Schema
from daemon.models.calibration import Calibrator
from daemon.models.plain_json import from_json, to_json
from daemon.settings import FeatureSettings, LabelSettings

FORMAT: Final = "papertape bundle"
BUNDLE_VERSION: Final = 1

_SUMS = "SHA256SUMS"
_TREES = "trees.txt"
_JSON_FILES = ("bundle.json", "features.json", "learners.json", "calibration.json", "edge.json", "psi.json")
_MEND = "fetch the bundle again, or train or pack it again"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained model and what it was trained as.

    Attributes:
        name: The model's name.
        settings_json: The settings it was made with, as a tape keeps them.
        features: Which features are computed.
        schema: Their names, order, formulas and hash.
        formulas: The user's own formulas by name, as text.
        reference: Instruments over which cross-sections run, sorted.
        quanta: Price and volume steps by instrument.
        labels: What the experts predict.
        experts: Names, in the order of every array over experts.
        trees: LightGBM's text model, if `trees` is among the experts.
        trees_scale: For a regressor, 1 over the standard deviation of its output.
        learners: By expert that learns, its fields at the end of training.
        calibrators: By expert; one without speaks as it is.
        edge: Fields of the edge model (`daemon.policy`).
        psi: Fields of the PSI reference (`daemon.vitals`); empty if there is none.
        ranges: Epoch minutes of training: `start`, `trees_end`, `calibration_start`, `end`, as far as they
            are known.
        metrics: What training measured.
        trained_at: When it was made, seconds since 1970 by the clock of whoever made it; None if unknown.
    """

    name: str
    settings_json: str
    features: FeatureSettings
    schema: Schema
    reference: tuple[str, ...]
    labels: LabelSettings
    experts: tuple[str, ...]
    formulas: Mapping[str, str] = field(default_factory=dict)
    quanta: Mapping[str, Quanta] = field(default_factory=dict)
    trees: bytes | None = None
    trees_scale: float = 1.0
    learners: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    calibrators: Mapping[str, Calibrator] = field(default_factory=dict)
    edge: Mapping[str, Any] = field(default_factory=dict)
    psi: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    trained_at: int | None = None

    def to_files(self) -> dict[str, bytes]:
        """Return the folder: file name -> content, sorted by name."""
        files = {
            "bundle.json": to_json(self._about()),
            "features.json": to_json(self._features()),
            "learners.json": to_json(self.learners),
            "calibration.json": to_json({name: one.to_fields() for name, one in self.calibrators.items()}),
            "edge.json": to_json(self.edge),
            "psi.json": to_json(self.psi),
        }
        if self.trees is not None:
            files[_TREES] = self.trees
        sums = "".join(f"{_digest(files[name])}  {name}\n" for name in sorted(files))
        return {_SUMS: sums.encode(), **{name: files[name] for name in sorted(files)}}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read a folder back. Files that SHA256SUMS does not name are ignored.

        Raises:
            BundleError: The folder is no bundle, of another version, or damaged; names the file.
        """
        _check_sums(files)
        parts = {name: _read(files, name) for name in _JSON_FILES}
        _check_format(parts["bundle.json"])
        fields: dict[str, Any] = {"trees": files.get(_TREES)}
        fields |= {name: parts[f"{name}.json"] for name in ("learners", "edge", "psi")}
        readers = {
            "bundle.json": _about_fields,
            "features.json": _features_fields,
            "calibration.json": _calibration_fields,
        }
        for name, reader in readers.items():
            try:
                fields |= reader(parts[name])
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise BundleError(f"{name}: {_reason(error)}; {_MEND}") from error
        return cls(**fields)

    def check_schema(self, computed: Schema) -> None:
        """Compare the model's features with those that this version computes for its settings.

        Raises:
            SchemaMismatchError: They differ; one line for each feature that does.
        """
        differences = computed.differences(self.schema)
        if differences:
            raise SchemaMismatchError(
                "\n".join([f"model {self.name!r} was trained on other features:", *differences])
            )

    def _about(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "version": BUNDLE_VERSION,
            "name": self.name,
            "settings_json": self.settings_json,
            "reference": self.reference,
            "labels": self.labels.model_dump(),
            "experts": self.experts,
            "trees_scale": self.trees_scale,
            "ranges": self.ranges,
            "metrics": self.metrics,
            "trained_at": self.trained_at,
        }

    def _features(self) -> dict[str, object]:
        return {
            "settings": self.features.model_dump(),
            "schema": self.schema.to_fields(),
            "formulas": self.formulas,
            "quanta": quanta_to_fields(self.quanta),
        }


def _about_fields(about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(about["name"]),
        "settings_json": str(about["settings_json"]),
        "reference": tuple(about["reference"]),
        "labels": LabelSettings.model_validate(about["labels"]),
        "experts": tuple(about["experts"]),
        "trees_scale": float(about["trees_scale"]),
        "ranges": {name: int(minute) for name, minute in about["ranges"].items()},
        "metrics": about["metrics"],
        "trained_at": _moment(about.get("trained_at")),
    }


def _moment(seconds: object) -> int | None:
    if seconds is not None and type(seconds) is not int:
        raise ValueError(f"trained_at is {seconds!r}, not whole seconds")
    return seconds


def _features_fields(features: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "features": FeatureSettings.model_validate(features["settings"]),
        "schema": Schema.from_fields(features["schema"]),
        "formulas": features["formulas"],
        "quanta": quanta_from_fields(features["quanta"]),
    }


def _calibration_fields(calibrators: Mapping[str, Any]) -> dict[str, Any]:
    return {"calibrators": {name: Calibrator.from_fields(fields) for name, fields in calibrators.items()}}


def _check_format(about: Mapping[str, Any]) -> None:
    if (about.get("format"), about.get("version")) != (FORMAT, BUNDLE_VERSION):
        raise BundleError(
            f"bundle.json: format {about.get('format')!r} version {about.get('version')!r}; this papertape "
            f"reads {FORMAT!r} version {BUNDLE_VERSION}; train or pack the model again"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_sums(files: Mapping[str, bytes]) -> None:
    if _SUMS not in files:
        found = ", ".join(sorted(files)) or "nothing"
        raise BundleError(
            f"this is no papertape bundle: {_SUMS} is missing (there is {found}); give the bundle's folder"
        )
    sums = re.findall(rb"^([0-9a-f]{64})  (\S+)$", files[_SUMS], re.MULTILINE)
    if len(sums) != files[_SUMS].count(b"\n") or not sums:
        raise BundleError(f"{_SUMS}: damaged; {_MEND}")
    named = {name.decode(): digest.decode() for digest, name in sums}
    for name in sorted({*named, *_JSON_FILES}):
        if name not in files:
            raise BundleError(f"{name}: missing from the bundle; {_MEND}")
        if named.get(name) != _digest(files[name]):
            raise BundleError(f"{name}: its content is not what {_SUMS} says; {_MEND}")
    if _TREES in files and _TREES not in named:
        raise BundleError(f"{_TREES}: not named in {_SUMS}; {_MEND}")


def _read(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        content = from_json(files[name])
    except (ValueError, TypeError) as error:
        raise BundleError(f"{name}: {_reason(error)}; {_MEND}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{name}: holds no mapping; {_MEND}")
    return content


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
