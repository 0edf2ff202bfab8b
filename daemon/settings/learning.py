"""What the experts see, what they predict, how they are trained and made one."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from daemon.settings.section import Reload, Section


class FeatureSettings(Section):
    """Which features are computed."""

    groups: tuple[str, ...] = Field(("default",), description="Groups of the catalogue.")
    names: tuple[str, ...] = Field((), description="Further features by name.")
    exclude: tuple[str, ...] = Field((), description="Features to leave out.")
    formulas: tuple[str, ...] = Field(
        (), description="Files with own formulas, or module:attribute entry points."
    )
    benchmark: str | None = Field(
        None, description="Instrument for beta and correlation; default: first reference."
    )
    min_members: int = Field(
        3, ge=1, description="Below so many members a cross-section takes its stated value."
    )
    sigma_bars: int = Field(
        240, ge=20, le=1440, description="Window of sigma, the volatility per minute, in rows."
    )


class LabelSettings(Section):
    """What the experts predict: the move from the open of t+1 to the open of t+1+horizon."""

    kind: Literal["sigma", "bps", "barrier"] = "sigma"
    horizon_minutes: int = Field(60, ge=1, le=1440, description="Session minutes from fill to label.")
    threshold_sigma: float = Field(0.5, gt=0, le=10, description="Flat within so many sigma x sqrt(horizon).")
    threshold_bps: float = Field(
        20.0, gt=0, le=10_000, description="Flat within so many basis points (kind bps)."
    )
    barrier_up_sigma: float = Field(1.0, gt=0, le=20, description="Upper barrier, sigma x sqrt(horizon).")
    barrier_down_sigma: float = Field(1.0, gt=0, le=20, description="Lower barrier, sigma x sqrt(horizon).")
    late_minutes: int = Field(
        5, ge=0, le=60, description="The exit open may come so many minutes late, else void."
    )


class TreesSettings(Section):
    """The boosted trees (LightGBM)."""

    enabled: bool = True
    rounds: int = Field(300, ge=1, le=20_000)
    leaves: int = Field(31, ge=2, le=4096)
    learning_rate: float = Field(0.05, gt=0, le=1)
    min_leaf_rows: int = Field(200, ge=1)
    feature_share: float = Field(0.7, gt=0, le=1)
    row_share: float = Field(0.7, gt=0, le=1)
    l2: float = Field(1.0, ge=0)
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="Weights against class imbalance."
    )
    threads: int = Field(0, ge=0, description="Threads for training; 0 takes all cores.")


class OnlineSettings(Section):
    """The online learner (River): one-vs-rest logistic regression on standardised features."""

    enabled: bool = True
    features: tuple[str, ...] = Field(
        (), description="Its features, in order; default: the trees' most important."
    )
    max_features: int = Field(20, ge=1, le=200)
    learning_rate: float = Field(0.01, gt=0, le=1)
    l2: float = Field(0.0, ge=0)


class SignalsSettings(Section):
    """Probabilities or scores from outside, joined by when they were known."""

    enabled: bool = False
    file: str | None = Field(None, description="Parquet: instrument, known_at, and down/flat/up or score.")
    max_age_minutes: int = Field(60, ge=1, description="Older signals count as absent.")


class BlendSettings(Section):
    """How the experts' probabilities become one."""

    kind: Literal["fixed", "bayes"] = "bayes"
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="By expert; missing ones share equally (fixed) or start equally (bayes).",
    )
    share: float = Field(
        1e-4, ge=0, le=0.5, description="Fixed share that flows back to every expert each minute."
    )


class ExpertsSettings(Section):
    """The experts."""

    trees: TreesSettings = TreesSettings()
    online: OnlineSettings = OnlineSettings()
    base_rate: bool = True
    signals: SignalsSettings = SignalsSettings()
    entry_points: tuple[str, ...] = Field((), description="Names in the entry-point group papertape.experts.")


class TrainingSettings(Section):
    """How a bundle is trained. Shares are of the training range's session minutes."""

    reload: ClassVar[Reload] = "hot"
    calibration_share: float = Field(
        0.25, gt=0, lt=0.9, description="Last part of the range, for calibration."
    )
    embargo_minutes: int = Field(60, ge=0)
    folds: int = Field(3, ge=0, le=20, description="Walk-forward folds, for the report only.")
    min_rows: int = Field(5_000, ge=100)


class ModelSettings(Section):
    """Which model trades."""

    reload: ClassVar[Reload] = "hot"
    needs_restart: ClassVar[tuple[str, ...]] = ("uri", "registry")
    uri: str = Field(
        "models:/papertape@champion", description="models:/NAME@ALIAS, models:/NAME/VERSION, or a folder."
    )
    registry: str = Field("sqlite:///var/mlflow.db", description="MLflow tracking and registry address.")
    challenger: str | None = Field(
        None,
        description="models:/NAME@ALIAS or a folder of a model that is scored beside and does not trade.",
    )
    watch_seconds: float = Field(
        30.0,
        ge=0.0,
        le=86_400.0,
        description="Seconds between looks at what uri points to: another version is swapped in; 0: never.",
    )
