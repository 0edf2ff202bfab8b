"""The settings of a run: frozen, validated, every field with its unit and its default.

Reading a file and the environment is `adapters.files.settings_file`; this package only says what is valid.
Its files hold the sections by what they are about; everything is imported from here. Each section declares
whether it may change while the daemon runs (`reload = "hot"`) or needs a restart, and which of its fields are
of the other kind (`needs_restart`, `hot`).
"""

from typing import Final, Self

from pydantic import ValidationError, field_validator

from daemon.errors import TapeVersionError
from daemon.settings.changes import changes, in_words
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
from daemon.settings.notify import NoticeKind, NotifySettings
from daemon.settings.outside import LogSettings, MetricsSettings, MqttSettings, TapeSettings
from daemon.settings.section import RELOAD_IN_WORDS, Bps, Reload, Section, Share, Venue
from daemon.settings.stored import upgraded
from daemon.settings.trading import CostSettings, PolicySettings, RiskSettings, VenueFeeSettings

__all__ = [
    "OUTSIDE",
    "OUTSIDE_TAPE",
    "RELOAD_IN_WORDS",
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
    "NoticeKind",
    "NotifySettings",
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
    "changes",
    "in_words",
    "is_loopback",
]


OUTSIDE: Final = frozenset(
    ("control", "feeds", "health", "log", "metrics", "model", "mqtt", "notify", "sealing")
)
"""Sections that are no part of what a run is: where its model, its record and its listeners are, and how live
bars come and are sealed (what was sealed stands on the tape)."""

OUTSIDE_TAPE: Final = frozenset(("path", "url", "max_bytes", "keep_days"))
"""Of the section `tape`: where it is, and how much of it is kept."""


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
    notify: NotifySettings = NotifySettings()
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
        """Return what makes a run what it is, as the tape keeps it: all sections but those `OUTSIDE` it.

        Of the tape, neither is where it is and how much of it is kept. No secret is in it.
        """
        return self.model_dump_json(exclude={**dict.fromkeys(OUTSIDE, True), "tape": set(OUTSIDE_TAPE)})

    @classmethod
    def stored(cls, text: str) -> Self:
        """Return settings that a tape or a bundle holds; those that came later are at their defaults.

        Raises:
            TapeVersionError: They are of a version that this one cannot read; names the settings.
        """
        try:
            return cls.model_validate(upgraded(text))
        except ValidationError as error:
            names = ", ".join(".".join(map(str, one["loc"])) for one in error.errors(include_url=False))
            raise TapeVersionError(
                f"its settings are of another version of papertape ({names}); use the one that wrote it"
            ) from error

    def deciding_as(self, identity_json: str) -> Self:
        """Return the settings of a tape, with the rest, which no tape keeps, as it is here.

        Raises:
            ValidationError: The text is not of valid settings.
        """
        told = type(self).model_validate(upgraded(identity_json))
        rest = {name: getattr(self, name) for name in OUTSIDE}
        kept = {name: getattr(self.tape, name) for name in OUTSIDE_TAPE}
        return told.model_copy(update={**rest, "tape": told.tape.model_copy(update=kept)})

    def taken_up(self, identity_json: str, whose: str) -> Self:
        """Return what `deciding_as` does, of settings that a run is to go on under.

        Args:
            identity_json: As a tape keeps it.
            whose: What they stand on, as an error names it.

        Raises:
            TapeVersionError: They are of another version of papertape; names the first that is not known.
        """
        try:
            return self.deciding_as(identity_json)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise TapeVersionError(
                f"{whose} has settings that this papertape does not know "
                f"({'.'.join(map(str, first['loc']))}: {first['msg']}); use the papertape that wrote it"
            ) from error
