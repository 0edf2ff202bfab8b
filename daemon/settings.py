"""The settings of a run: frozen, validated, every field with its unit and its default.

Reading a file and the environment is `adapters.files.settings_file`; this module only says what is valid.
Each section declares whether it may change while the daemon runs (`reload = "hot"`) or needs a restart, and a
hot one which of its fields need one all the same (`needs_restart`).
"""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Bps = Annotated[float, Field(ge=0.0, le=10_000.0)]
Venue = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")]
GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
Reload = Literal["hot", "restart"]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, nothing changes later, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
    reload: ClassVar[Reload] = "restart"
    needs_restart: ClassVar[tuple[str, ...]] = ()


class RunSettings(Section):
    """What the run is."""

    name: str = Field(
        "papertape", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name in logs, metrics and the tape."
    )
    quote: str = Field("USDT", pattern=r"^[A-Z0-9]{2,10}$", description="The one quote currency of the run.")
    capital: Decimal = Field(Decimal(100_000), gt=0, description="Cash at the start, in the quote currency.")
    seed: int = Field(1, ge=0, description="Seed of everything that is drawn (training, simulation).")


class InstrumentSettings(Section):
    """What is known of one instrument; anything left out is derived from its name and its bars."""

    quote: str | None = Field(None, description="Quote currency; default: what its symbol ends in.")
    tick: Decimal | None = Field(None, gt=0, description="Price step; default: from the bars' decimals.")
    lot: Decimal | None = Field(None, gt=0, description="Quantity step, base units.")
    calendar: str | None = Field(None, description="`24/7` or a name of exchange_calendars, e.g. XNYS.")


class UniverseSettings(Section):
    """Which instruments are traded."""

    venue: Venue = Field("binance", description="Venue of symbols that name none.")
    instruments: tuple[str, ...] | Literal["all"] = Field(
        "all", description="Symbols, or venue:SYMBOL; `all` takes every instrument of the bar files."
    )
    calendar: str = Field("24/7", description="Calendar of instruments that name none.")
    overrides: dict[str, InstrumentSettings] = Field(
        default_factory=dict, description="By symbol or venue:SYMBOL."
    )
    halt_minutes: int = Field(30, ge=1, description="No bar for so many session minutes: halted, no orders.")
    delist_minutes: int = Field(
        1440, ge=2, description="No bar for so many session minutes: delisted, closed."
    )

    @model_validator(mode="after")
    def _halt_before_delisting(self) -> Self:
        if self.halt_minutes >= self.delist_minutes:
            message = "halt_minutes must be smaller than delist_minutes"
            raise ValueError(message)
        return self


class BarsSettings(Section):
    """How bar files are read."""

    time: str = Field("time", description="Column of the bar's time.")
    symbol: str = Field(
        "symbol", description="Column of the instrument; a file without it names it by `symbol_value`."
    )
    symbol_value: str | None = Field(None, description="Instrument of a file that has no symbol column.")
    open: str = "open"
    high: str = "high"
    low: str = "low"
    close: str = "close"
    volume: str = "volume"
    taker_volume: str | None = Field(
        None, description="Column of base units bought by takers, if there is one."
    )
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = Field("auto", description="Unit of integer times.")
    stamped: Literal["open", "close"] = Field(
        "open", description="Whether times are the minute's open or its end."
    )
    max_synthetic_minutes: int = Field(
        30, ge=0, description="Runs of absent minutes up to this long become flat bars; longer ones are gaps."
    )


class VenueFeedSettings(Section):
    """Other addresses than a venue's own: of a proxy, a testnet or a simulated exchange."""

    stream_url: str | None = Field(None, description="Of the websocket; null: the venue's.")
    history_url: str | None = Field(None, description="Scheme and host of the history; null: the venue's.")


class FeedsSettings(Section):
    """Where live bars come from."""

    venues: dict[Venue, VenueFeedSettings] = Field(
        default_factory=dict, description="Other addresses by venue: {binance: {stream_url: wss://...}}."
    )
    clock_url: str | None = Field(
        None, description="A simulated exchange's /papertape/clock, whose time the run follows."
    )


class SealingSettings(Section):
    """When a live minute is closed, and what is done about bars that do not come."""

    grace_seconds: float = Field(
        4.0,
        ge=0,
        lt=60,
        description="After a minute's end: from then on history is asked for what is missing.",
    )
    deadline_seconds: float = Field(
        15.0, gt=0, lt=60, description="After a minute's end: then it is sealed with what there is."
    )
    empty: Literal["flat", "gap"] = Field(
        "flat",
        description="A minute without a trade becomes a flat bar (at most bars.max_synthetic_minutes in a "
        "row) or none.",
    )
    confirm_empty: bool = Field(
        True, description="Ask history before a missing bar is called a minute without a trade."
    )
    silence_seconds: float = Field(
        90.0, ge=5, description="Connected, and nothing of any instrument for so long: lost."
    )
    mute_minutes: int = Field(
        3,
        ge=1,
        description="History had so many traded bars that the stream had not: that instrument is lost.",
    )
    gap_minutes: int = Field(
        30, ge=1, description="Bars wait so long for history to fill a gap before them; then it stays."
    )
    halted_poll_minutes: int = Field(
        10, ge=1, description="History of a halted instrument is asked for this often."
    )
    retry_seconds: float = Field(
        5.0, gt=0, description="After a failed request for history; doubles each time, up to two minutes."
    )
    catch_up_seconds: float = Field(
        300.0, ge=0, description="Missed minutes are sealed when history has been silent for so long."
    )
    max_skew_seconds: float = Field(
        30.0, gt=0, lt=60, description="A bar that is final so long before its minute's end is refused."
    )
    queue_messages: int = Field(
        20_000,
        ge=100,
        description="Messages that wait for the sequencer; full, the sockets are read no further.",
    )
    history_requests: int = Field(
        4, ge=1, le=64, description="Requests for history at the same time, per feed."
    )

    @model_validator(mode="after")
    def _grace_before_deadline(self) -> Self:
        if self.grace_seconds >= self.deadline_seconds:
            message = "grace_seconds must be smaller than deadline_seconds"
            raise ValueError(message)
        return self


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

    calibration_share: float = Field(
        0.25, gt=0, lt=0.9, description="Last part of the range, for calibration."
    )
    embargo_minutes: int = Field(60, ge=0)
    folds: int = Field(3, ge=0, le=20, description="Walk-forward folds, for the report only.")
    min_rows: int = Field(5_000, ge=100)


class PolicySettings(Section):
    """From probabilities to target weights."""

    reload: ClassVar[Reload] = "hot"
    edge_multiple: float = Field(1.0, ge=0, description="Entry needs edge > this x round-trip cost.")
    min_direction: Share = Field(
        0.0, description="Entry needs p_up/(p_up+p_down) this far towards 0 or 1; 0 is off."
    )
    side: Literal["long_short", "long_only"] = "long_short"
    sizing: Literal["fixed", "volatility", "kelly"] = "fixed"
    notional: Decimal = Field(
        Decimal(10_000), gt=0, description="Position size for fixed sizing, quote currency."
    )
    target_volatility: float = Field(
        0.1, gt=0, description="Annual volatility a position aims at, share of equity."
    )
    kelly_fraction: float = Field(0.25, gt=0, le=1)
    max_weight: float = Field(0.2, gt=0, le=10, description="Cap per instrument, share of equity.")
    max_gross: float = Field(1.0, gt=0, le=20, description="Cap on the sum of absolute weights.")
    max_net: float = Field(1.0, gt=0, le=20, description="Cap on the absolute sum of weights.")
    min_holding_minutes: int = Field(0, ge=0)
    smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of the previous weight kept at entries; 0 is off."
    )
    min_turnover: float = Field(0.0, ge=0, description="Least traded value per day to enter, quote currency.")
    max_volatility_share: float = Field(
        1.0, gt=0, le=1, description="Trade only this share of lowest volatility."
    )


class RiskSettings(Section):
    """What changes the trading state, and how it comes back."""

    reload: ClassVar[Reload] = "hot"
    max_drawdown: float | None = Field(
        0.25, gt=0, le=1, description="Beyond it: `drawdown_mode`, until a hand resumes."
    )
    drawdown_mode: Literal["no_entry", "frozen", "flatten"] = "flatten"
    max_daily_loss: float | None = Field(0.05, gt=0, le=1, description="Share of the day's opening equity.")
    daily_loss_mode: Literal["no_entry", "frozen", "flatten"] = Field(
        "no_entry", description="Until the next UTC day."
    )
    stale_feed_mode: Literal["no_entry", "frozen"] = Field(
        "no_entry", description="Until the feed is restored."
    )


class VenueFeeSettings(Section):
    """Fees of one venue; what is left out is as for every venue."""

    taker_fee_bps: Bps | None = None
    maker_fee_bps: Bps | None = None


class CostSettings(Section):
    """What trading costs. Always on; zero must be written out."""

    reload: ClassVar[Reload] = "hot"
    needs_restart: ClassVar[tuple[str, ...]] = ("funding_file",)
    taker_fee_bps: Bps = 5.0
    maker_fee_bps: Bps = 2.0
    venues: dict[Venue, VenueFeeSettings] = Field(
        default_factory=dict, description="Other fees by venue: {kraken: {taker_fee_bps: 26}}."
    )
    liquidity: Literal["taker", "maker"] = Field("taker", description="Which fee our fills pay.")
    half_spread_bps: Bps = 1.0
    slippage_bps: Bps = 0.5
    impact: float = Field(0.1, ge=0, le=10, description="Y of Y x sigma x sqrt(quantity / minute volume).")
    max_volume_share: float = Field(
        0.1, gt=0, le=1, description="Of the minute's volume; the rest waits or ends."
    )
    order_minutes: int = Field(1, ge=1, le=60, description="How many minutes an order lives.")
    delay_bars: int = Field(0, ge=0, le=60, description="Extra minutes before an order may fill.")
    funding_bps_per_8h: float | None = Field(
        None,
        ge=-1000,
        le=1000,
        description="Paid by longs on the held value at 00:00, 08:00 and 16:00 UTC; null: not charged.",
    )
    funding_file: str | None = Field(
        None,
        min_length=1,
        description="Funding from Parquet instead: instrument, time, rate (fraction of the held value that "
        "longs pay). A change needs a restart.",
    )

    @model_validator(mode="after")
    def _one_source_of_funding(self) -> Self:
        if self.funding_bps_per_8h is not None and self.funding_file is not None:
            message = "funding_bps_per_8h and funding_file are both set; choose one"
            raise ValueError(message)
        return self


class VitalsSettings(Section):
    """How the model is judged."""

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


class TapeSettings(Section):
    """Where the record of the run goes."""

    path: str = Field("var/papertape.tape", description="File of the SQLite tape.")
    group_batches: int = Field(4096, ge=1, description="Most batches of a replay in one transaction.")
    snapshot_batches: int = Field(4096, ge=1, description="A snapshot after every so many batches.")


class ModelSettings(Section):
    """Which model trades."""

    uri: str = Field(
        "models:/papertape@champion", description="models:/NAME@ALIAS, models:/NAME/VERSION, or a folder."
    )
    registry: str = Field("sqlite:///var/mlflow.db", description="MLflow tracking and registry address.")


class MetricsSettings(Section):
    """Figures for Prometheus, over HTTP."""

    enabled: bool = Field(False, description="Serve /metrics; the option --serve turns it on too.")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to serve on. Nothing asks who reads: keep it loopback.",
    )
    port: int = Field(9477, ge=0, le=65_535, description="Port to serve on; 0 takes a free one.")
    max_instruments: int = Field(
        50, ge=0, description="Most instruments with series of their own (the largest positions first)."
    )
    linger_seconds: float = Field(
        0.0, ge=0, description="A replay goes on serving so long after its end, for the last scrapes."
    )


class MqttSettings(Section):
    """What is published to an MQTT 5 broker, and what is taken from it."""

    enabled: bool = False
    host: str = Field("127.0.0.1", min_length=1, description="The broker.")
    port: int = Field(1883, ge=1, le=65_535, description="1883 plain, 8883 with TLS, by custom.")
    username: str | None = None
    password: SecretStr | None = Field(None, description="From the environment or a file only.")
    tls: bool = Field(False, description="Encrypt, and check the broker's certificate.")
    ca_file: str | None = Field(None, description="Who signed it; default: the system's authorities.")
    cert_file: str | None = Field(None, description="Our own certificate, where the broker asks for one.")
    key_file: str | None = Field(None, description="Its key.")
    prefix: str = Field(
        "papertape",
        pattern=r"^[^+#\s]+$",
        max_length=200,
        description="Topics are <prefix>/<run.name>/...; `papertape mqtt` lists them.",
    )
    commands: bool = Field(
        False,
        description="Take pause, resume, freeze, flatten from <prefix>/<run.name>/command. Who may publish "
        "there is the broker's to say.",
    )
    bars: str = Field(
        "bars",
        pattern=r"^[^+#\s]+$",
        max_length=200,
        description="Instruments of the venue `mqtt` take their bars from <this>/mqtt/<SYMBOL>.",
    )
    queue_events: int = Field(
        1_000, ge=1, description="Orders, fills, ... that wait for the broker; then the oldest are dropped."
    )

    @model_validator(mode="after")
    def _password_has_its_name(self) -> Self:
        if self.password is not None and self.username is None:
            message = "a password needs its username"
            raise ValueError(message)
        if (self.cert_file is None) != (self.key_file is None):
            message = "cert_file and key_file go together"
            raise ValueError(message)
        if not self.tls and (self.ca_file or self.cert_file):
            message = "ca_file and cert_file are of no use without tls: true"
            raise ValueError(message)
        return self


class LogSettings(Section):
    """What is logged and how."""

    reload: ClassVar[Reload] = "hot"
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


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
    mqtt: MqttSettings = MqttSettings()
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
        """Return what makes a run what it is: everything but where tape, model, metrics, mqtt and log are.

        How live bars come and are sealed is no part of it either: what was sealed stands on the tape.
        """
        elsewhere = dict.fromkeys(("feeds", "log", "metrics", "model", "mqtt", "sealing"), True)
        return self.model_dump_json(exclude={**elsewhere, "tape": {"path"}})

    def canonical_json(self) -> str:
        """Return the settings as one JSON text; equal settings give equal text."""
        return self.model_dump_json()
