"""How the model is judged, and what follows."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from daemon.settings.section import Reload, Section

GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]


class VitalsSettings(Section):
    """How the model is judged."""

    hot: ClassVar[tuple[str, ...]] = ("groups",)
    window_minutes: int = Field(
        43_200, ge=1440, description="Minutes that rolling figures and intervals look back."
    )
    drift_window_minutes: int = Field(
        10_080, ge=1440, le=129_600, description="Minutes that drift (PSI) looks back."
    )
    drift_alarm_share: float = Field(
        0.01, ge=0.001, le=0.1, description="Share of time in drift alarm while nothing drifts, promised."
    )
    groups: dict[GroupName, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        default_factory=dict,
        max_length=20,
        description="Instruments judged apart too: {majors: [BTCUSDT, ETHUSDT]}; none named: one group per "
        "venue, where there are several.",
    )

    @field_validator("groups")
    @classmethod
    def _members_are_distinct(cls, groups: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for group, names in groups.items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                message = f"the group {group} names twice: {', '.join(twice)}"
                raise ValueError(message)
        return groups


class TradingAlarm(Section):
    """A vital of everything that is traded."""

    reload: ClassVar[Reload] = "hot"
    consequences: tuple[Literal["no_entry", "frozen", "flatten", "retrain"], ...] = Field(
        (), description="Any of no_entry, frozen, flatten, retrain; none: it is only reported."
    )


class FeatureDriftAlarm(TradingAlarm):
    """Drift of the features (PSI), by the thresholds of `vitals.drift_alarm_share`."""


class PredictionDriftAlarm(TradingAlarm):
    """Drift of the blend's probabilities, alike."""


class EdgeAlarm(TradingAlarm):
    """Edge that signals promised less the return that came: in alarm where the whole interval is above."""

    bound: float = Field(0.0, ge=0, description="Log return.")


class ExpertAlarm(Section):
    """A vital of each expert and the blend. What is traded follows the blend, its weights the experts."""

    reload: ClassVar[Reload] = "hot"
    consequences: tuple[Literal["no_entry", "frozen", "flatten", "retrain", "blend"], ...] = Field(
        (), description="As above where it is the blend's alarm; `blend`: an expert in alarm has no weight."
    )


class SkillAlarm(ExpertAlarm):
    """Skill over the base rate: in alarm where the whole interval is below the bound."""

    bound: float = Field(0.0, description="Nats a label.")


class CalibrationAlarm(ExpertAlarm):
    """Expected calibration error: in alarm above the bound."""

    bound: float = Field(0.1, gt=0, le=1, description="A share.")


class ConfidenceAlarm(ExpertAlarm):
    """Concept drift: accuracy as the probabilities promise it less the realised one."""

    bound: float = Field(0.1, gt=0, le=1, description="A share; in alarm where they are further apart.")


class ErrorChangeAlarm(ExpertAlarm):
    """Changes of the error that ADWIN and Page-Hinkley found since the last check."""

    bound: int = Field(0, ge=0, description="In alarm above so many.")


class AlarmSettings(Section):
    """When a vital is in alarm, and what that changes from the next minute on."""

    reload: ClassVar[Reload] = "hot"
    check_minutes: int = Field(
        1440,
        ge=60,
        le=1440,
        description="Vitals are judged at the close of the first minute of every so many, UTC.",
    )
    clear_checks: int = Field(
        3, ge=1, le=1000, description="An alarm ends after so many judgements in a row within the bound."
    )
    min_horizons: int = Field(
        300, ge=1, description="Edge, skill, calibration and confidence are judged from so many horizons on."
    )
    feature_drift: FeatureDriftAlarm = FeatureDriftAlarm()
    prediction_drift: PredictionDriftAlarm = PredictionDriftAlarm()
    edge: EdgeAlarm = EdgeAlarm()
    skill: SkillAlarm = SkillAlarm()
    calibration: CalibrationAlarm = CalibrationAlarm()
    confidence: ConfidenceAlarm = ConfidenceAlarm()
    error_change: ErrorChangeAlarm = ErrorChangeAlarm()
