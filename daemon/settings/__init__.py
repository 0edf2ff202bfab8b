"""The settings of a run: frozen, validated, every field with its unit and its default.

Reading a file and the environment is `adapters.files.settings_file`; this package only says what is valid.
Its files hold the sections by what they are about; everything is imported from here. Each section declares
whether it may change while the daemon runs (`reload = "hot"`) or needs a restart, and a hot one which of its
fields need one all the same (`needs_restart`).
"""

from pydantic import field_validator

from daemon.settings.control import ControlSettings, is_loopback
from daemon.settings.health import HealthSettings
from daemon.settings.judging import (
    AlarmSettings,
    CalibrationAlarm,
    ConfidenceAlarm,
    EdgeAlarm,
    ErrorChangeAlarm,
    ExpertAlarm,
    FeatureDriftAlarm,
    GroupName,
    PredictionDriftAlarm,
    SkillAlarm,
    TradingAlarm,
    VitalsSettings,
)
from daemon.settings.learning import (
    BlendSettings,
    ExpertsSettings,
    FeatureSettings,
    LabelSettings,
    ModelSettings,
    OnlineSettings,
    SignalsSettings,
    TrainingSettings,
    TreesSettings,
)
from daemon.settings.live import FeedsSettings, SealingSettings, VenueFeedSettings
from daemon.settings.market import BarsSettings, InstrumentSettings, RunSettings, UniverseSettings
from daemon.settings.outside import LogSettings, MetricsSettings, MqttSettings, TapeSettings
from daemon.settings.section import Bps, Reload, Section, Share, Venue
from daemon.settings.trading import CostSettings, PolicySettings, RiskSettings, VenueFeeSettings

__all__ = [
    "AlarmSettings",
    "BarsSettings",
    "BlendSettings",
    "Bps",
    "CalibrationAlarm",
    "ConfidenceAlarm",
    "ControlSettings",
    "CostSettings",
    "EdgeAlarm",
    "ErrorChangeAlarm",
    "ExpertAlarm",
    "ExpertsSettings",
    "FeatureDriftAlarm",
    "FeatureSettings",
    "FeedsSettings",
    "GroupName",
    "HealthSettings",
    "InstrumentSettings",
    "LabelSettings",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "MqttSettings",
    "OnlineSettings",
    "PolicySettings",
    "PredictionDriftAlarm",
    "Reload",
    "RiskSettings",
    "RunSettings",
    "SealingSettings",
    "Section",
    "Settings",
    "Share",
    "SignalsSettings",
    "SkillAlarm",
    "TapeSettings",
    "TradingAlarm",
    "TrainingSettings",
    "TreesSettings",
    "UniverseSettings",
    "Venue",
    "VenueFeeSettings",
    "VenueFeedSettings",
    "VitalsSettings",
    "is_loopback",
]


class Settings(Section):
    """Everything a run is told, in sections."""

    run: RunSettings = RunSettings()
    universe: UniverseSettings = UniverseSettings()
    bars: BarsSettings = BarsSettings()
    feeds: FeedsSettings = FeedsSettings()
    sealing: SealingSettings = SealingSettings()
    features: FeatureSettings = FeatureSettings()
    labels: LabelSettings = LabelSettings()
    experts: ExpertsSettings = ExpertsSettings()
    blend: BlendSettings = BlendSettings()
    training: TrainingSettings = TrainingSettings()
    policy: PolicySettings = PolicySettings()
    risk: RiskSettings = RiskSettings()
    costs: CostSettings = CostSettings()
    vitals: VitalsSettings = VitalsSettings()
    alarms: AlarmSettings = AlarmSettings()
    tape: TapeSettings = TapeSettings()
    model: ModelSettings = ModelSettings()
    metrics: MetricsSettings = MetricsSettings()
    health: HealthSettings = HealthSettings()
    mqtt: MqttSettings = MqttSettings()
    control: ControlSettings = ControlSettings()
    log: LogSettings = LogSettings()

    @field_validator("universe")
    @classmethod
    def _instruments_are_distinct(cls, universe: UniverseSettings) -> UniverseSettings:
        names = universe.instruments
        if names != "all" and len(set(names)) != len(names):
            message = "instruments are named twice: " + ", ".join(
                sorted({n for n in names if names.count(n) > 1})
            )
            raise ValueError(message)
        return universe

    def identity_json(self) -> str:
        """Return what makes a run what it is: not where tape, model and log are, nor who hears of it.

        How live bars come and are sealed is no part of it either: what was sealed stands on the tape.
        """
        elsewhere = dict.fromkeys(
            ("control", "feeds", "health", "log", "metrics", "model", "mqtt", "sealing"), True
        )
        kept = {"path", "max_bytes", "keep_days"}
        return self.model_dump_json(exclude={**elsewhere, "tape": kept})

    def canonical_json(self) -> str:
        """Return the settings as one JSON text; equal settings give equal text."""
        return self.model_dump_json()
