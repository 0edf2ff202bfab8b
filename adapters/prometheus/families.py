"""Every family of metrics that papertape serves: its name, kind, meaning and labels.

Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/): base units, `_total` for
counters, shares as `_ratio`. Money and profit go up and down: they are gauges, in the run's quote currency.
Moments are timestamps, never ages: a process that hangs would freeze an age.
"""

from typing import Final

from adapters.prometheus.family import Family, Kind
from adapters.prometheus.judged import calibration_families, edge_families, judged_families
from adapters.prometheus.live import (
    CONTROL_FAMILIES,
    LIVE_FAMILIES,
    MODEL_FAMILIES,
    MQTT_FAMILIES,
    RELOAD_FAMILIES,
    TAPE_FAMILIES,
)

STAGE_SECONDS: Final = "stage_seconds"
TAPE_BYTES: Final = "tape_bytes"
DISK_FREE_BYTES: Final = "disk_free_bytes"
SINK_DROPS: Final = "sink_drops_total"

JUDGED_LABELS: Final = ("expert", "form")
"""Who speaks, and whether before (raw) or after its calibrator (calibrated, what is traded on)."""

GROUP_LABELS: Final = ("group", "expert")
"""Of groups all experts are judged as they are traded on."""


def _of_instrument(*families: tuple[str, Kind, str]) -> tuple[Family, ...]:
    return tuple(
        Family(f"instrument_{name}", kind, meaning, ("instrument",)) for name, kind, meaning in families
    )


FAMILIES: Final = (
    Family("build_info", "info", "The version of papertape.", ("version",)),
    Family("run_info", "info", "Name and quote currency of the run.", ("run", "quote")),
    Family("model_info", "info", "The model version that trades.", ("model",)),
    Family("model_trained_timestamp_seconds", "gauge", "When the model was trained or packed."),
    Family("model_data_end_timestamp_seconds", "gauge", "Where the bars end that the model learned from."),
    Family("first_decided_bar_timestamp_seconds", "gauge", "When the run's first decided minute began."),
    Family("replay_done_ratio", "gauge", "Share of a replay's minutes that is decided."),
    Family("capital", "gauge", "Equity at the start of the run, quote currency."),
    Family(
        "equity",
        "gauge",
        "Equity in quote currency, by the fills assumed: expected, best, worst.",
        ("fills",),
    ),
    Family("cash", "gauge", "Cash in quote currency."),
    Family("books_imbalance", "gauge", "What the books are off by, quote currency; 0 unless papertape errs."),
    Family("pnl_realised", "gauge", "Profit of everything closed, before fees, quote currency."),
    Family("pnl_unrealised", "gauge", "Profit of what is held at its marks, quote currency."),
    Family("pnl_day", "gauge", "Change of equity since the first minute of the UTC day, quote currency."),
    Family(
        "costs", "gauge", "Paid so far by component, quote currency; negative is received.", ("component",)
    ),
    Family(
        "exposure_ratio", "gauge", "Exposure over equity: gross (absolute sum), net (signed sum).", ("side",)
    ),
    Family("drawdown_ratio", "gauge", "1 - equity over its highest value so far."),
    Family("drawdown_worst_ratio", "gauge", "The largest drawdown of the run."),
    Family("drawdown_limit_ratio", "gauge", "The drawdown beyond which risk.drawdown_mode is set."),
    Family("drawdown_longest_seconds", "gauge", "Longest stretch of session time below the highest equity."),
    Family("trading_state", "gauge", "1 for the trading state in force, 0 for the others.", ("state",)),
    Family("instruments", "gauge", "Instruments of the run."),
    Family("positions", "gauge", "Instruments held."),
    Family("position_quantity", "gauge", "Base units held, signed.", ("instrument",)),
    Family("position_weight_ratio", "gauge", "Value held over equity, signed.", ("instrument",)),
    Family("position_pnl_unrealised", "gauge", "Profit at the mark, quote currency.", ("instrument",)),
    Family(
        "instruments_without_series",
        "gauge",
        "Instruments left out of the series per instrument by metrics.max_instruments.",
    ),
    Family("trades", "gauge", "Closed round trips in the window of the vitals."),
    Family(
        "trade_return_ratio",
        "gauge",
        "Mean of a round trip in the window over what was opened, by part: gross, cost, net, and net at best "
        "and at worst fills.",
        ("part",),
    ),
    Family(
        "trade_net_bound_ratio", "gauge", "95 % interval of the mean net return of a round trip.", ("bound",)
    ),
    Family("trades_closed_total", "counter", "Round trips closed, by what ended them.", ("reason",)),
    Family("last_trade_timestamp_seconds", "gauge", "When the newest round trip was closed."),
    Family("last_trade_return_ratio", "gauge", "What it came to after costs, over what was opened."),
    Family(
        "instrument_last_trade_timestamp_seconds",
        "gauge",
        "When its newest round trip was closed.",
        ("instrument",),
    ),
    Family(
        "instrument_last_trade_return_ratio",
        "gauge",
        "What that came to after costs, over what was opened.",
        ("instrument",),
    ),
    Family(
        "instrument_last_trade_info",
        "info",
        "Which side that was, and what ended it.",
        ("instrument", "side", "reason"),
    ),
    Family("orders_total", "counter", "Orders made since this process started, by reason.", ("reason",)),
    Family("fills_total", "counter", "Fills and bookings since this process started, by kind.", ("kind",)),
    Family("funnel_total", "counter", "Instrument-minutes that came to a step of the funnel.", ("step",)),
    Family(
        "refusals_total",
        "counter",
        "Instrument-minutes and orders that fell out of the funnel, by step and reason.",
        ("step", "reason"),
    ),
    Family("exits_total", "counter", "Orders that close or reduce, by reason.", ("reason",)),
    *edge_families("edge", (), " of the window"),
    Family("batches_total", "counter", "Minutes decided since this process started."),
    Family("bars_decided_total", "counter", "Bars of those, flat ones included: their rate is the speed."),
    Family("catch_up_batches_total", "counter", "Minutes of those that were filled from history."),
    Family(
        "bars_expected_total", "counter", "Session minutes of the instruments, each from its first bar on."
    ),
    Family("bars_received_total", "counter", "Bars that came."),
    Family("bars_untraded_total", "counter", "Bars of those received in which nothing was traded."),
    Family("bars_synthetic_total", "counter", "Flat bars made for minutes without a trade."),
    Family("bars_refused_total", "counter", "Bars of those received that the features could not take."),
    Family("bars_absent_total", "counter", "Session minutes without a bar, received or made."),
    Family("bar_gaps_total", "counter", "Runs of session minutes without a bar."),
    *RELOAD_FAMILIES,
    *TAPE_FAMILIES,
    *LIVE_FAMILIES,
    *MODEL_FAMILIES,
    *MQTT_FAMILIES,
    *CONTROL_FAMILIES,
    *_of_instrument(
        ("bars_expected_total", "counter", "Its session minutes, from its first bar on."),
        ("bars_received_total", "counter", "Its bars that came."),
        ("bars_untraded_total", "counter", "Those of them in which nothing was traded."),
        ("bars_synthetic_total", "counter", "Flat bars made for its minutes without a trade."),
        ("bars_refused_total", "counter", "Bars of it that the features could not take."),
        ("bars_absent_total", "counter", "Its session minutes without a bar."),
        ("bar_gaps_total", "counter", "Its runs of session minutes without a bar."),
        ("bar_gap_longest_seconds", "gauge", "Session time of the longest of them."),
        ("late_start_seconds", "gauge", "Session time before its first bar."),
        ("bars_outside_sessions", "gauge", "Bars in its files outside its sessions, once a replay is done."),
        ("last_bar_timestamp_seconds", "gauge", "When its last bar closed, traded or not."),
    ),
    Family("events_total", "counter", "Inputs beside the minutes, by kind.", ("kind",)),
    Family("features_not_ready", "gauge", "Instruments with a bar but no ready features, last minute."),
    Family("labels_pending", "gauge", "Scored decisions of the last horizon + 1 minutes, whose labels wait."),
    Family(
        "last_closed_bar_timestamp_seconds", "gauge", "When the last decided minute closed, by its own time."
    ),
    Family(
        "instrument_last_traded_bar_timestamp_seconds",
        "gauge",
        "When the bar closed in which it was last traded: what a position is valued at.",
        ("instrument",),
    ),
    Family("last_commit_timestamp_seconds", "gauge", "When batches were last made durable."),
    Family("last_snapshot_timestamp_seconds", "gauge", "When a snapshot was last made durable."),
    Family(
        "last_good_reload_timestamp_seconds",
        "gauge",
        "When settings were last read and found good; the start counts as a reload.",
    ),
    Family(STAGE_SECONDS, "histogram", "Time a stage took for one chunk of minutes.", ("stage",)),
    *judged_families("expert", JUDGED_LABELS, " in the window"),
    Family(
        "expert_calibration_gain_nats",
        "gauge",
        "Skill of the calibrated expert less that of the raw one, paired.",
        ("expert", "estimate"),
    ),
    Family("blend_weight_ratio", "gauge", "Weight of the expert in the blend.", ("expert",)),
    *calibration_families("expert", JUDGED_LABELS),
    *judged_families("catch_up", JUDGED_LABELS, " of minutes that were filled from history"),
    Family("group_instruments", "gauge", "Instruments of the group.", GROUP_LABELS[:1]),
    *judged_families("group", GROUP_LABELS, " of the group"),
    *calibration_families("group", GROUP_LABELS),
    *edge_families("group_edge", GROUP_LABELS[:1], " of the group"),
    Family("group_trades", "gauge", "Closed round trips of the group.", GROUP_LABELS[:1]),
    Family(
        "group_trade_net_ratio",
        "gauge",
        "Mean net return of those: mean, low, high of the 95 % interval.",
        ("group", "estimate"),
    ),
    Family(
        "changes_total",
        "counter",
        "Changes of the expert's error found, by detector: adwin, page_hinkley.",
        ("expert", "detector"),
    ),
    Family(
        "drift_psi",
        "gauge",
        "Population stability index of the newest full window against training.",
        ("subject", "feature"),
    ),
    Family(
        "drift_psi_threshold",
        "gauge",
        "What the index may reach; absent where the reference is too short or the window cannot see.",
        ("subject", "feature"),
    ),
    Family(
        "drift_long_psi",
        "gauge",
        "The same of the newest six windows together: small shifts that stay.",
        ("subject", "feature"),
    ),
    Family(
        "drift_long_psi_threshold",
        "gauge",
        "What that may reach; absent where the reference holds fewer than twelve windows.",
        ("subject", "feature"),
    ),
    Family(
        "drift_features",
        "gauge",
        "Features by state: within their threshold, out of it, unseen (the window is too short for them).",
        ("subject", "state"),
    ),
    Family(
        "drift_promised_alarm_ratio",
        "gauge",
        "Share of time in alarm while nothing drifts, promised for all features together.",
        ("subject",),
    ),
    Family("drift_window_seconds", "gauge", "Length of the window that is judged.", ("subject",)),
    Family("drift_reference_windows", "gauge", "Such windows that training holds.", ("subject",)),
    Family("drift_judged_seconds_total", "counter", "Time that could be judged.", ("subject",)),
    Family("drift_alarm_seconds_total", "counter", "Time of that in alarm.", ("subject",)),
    Family("drift_alarm", "gauge", "1 while features or predictions are in drift alarm.", ("subject",)),
    Family("drift_episodes_total", "counter", "Drift alarms, each counted once.", ("subject",)),
    Family("vital_alarm", "gauge", "1 while the vital is in alarm, 0 while not.", ("vital", "subject")),
    Family("vital_alarms_total", "counter", "Alarms of the run, each counted once.", ("vital", "subject")),
    Family(
        "vital_alarm_since_timestamp_seconds",
        "gauge",
        "Close of the minute that raised the alarm that stands.",
        ("vital", "subject"),
    ),
    Family("vital_alarm_value", "gauge", "What an alarm that stands measured last.", ("vital", "subject")),
    Family("vital_alarm_bound", "gauge", "What an alarm that stands is held against.", ("vital", "subject")),
    Family(
        "vital_alarm_consequence",
        "gauge",
        "1 for what an alarm that stands brings about.",
        ("vital", "subject", "consequence"),
    ),
    Family(
        "vital_changes_total",
        "counter",
        "Alarms and their ends since this process started, by what the vital became: alarm, clear.",
        ("vital", "after"),
    ),
    Family(
        "retraining_asked_timestamp_seconds",
        "gauge",
        "Close of the minute that last asked for retraining; absent if none did.",
    ),
    Family("tape_waiting", "gauge", "1 while the tape's server is away and the run waits for it."),
    Family("tape_outages_total", "counter", "How often the tape's server went away."),
    Family("tape_retries_total", "counter", "How often a tape's server that was away was tried again."),
    Family(TAPE_BYTES, "gauge", "Size of the tape's files, as of the scrape."),
    Family(DISK_FREE_BYTES, "gauge", "Free space on the tape's disk, as of the scrape."),
    Family(SINK_DROPS, "counter", "Groups of batches, or messages, that a sink failed to take.", ("sink",)),
)


def markdown() -> str:
    """Return the table of all families for the README."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for family in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.full_name}` | {family.kind} | {labels} | {family.meaning} |")
    return "\n".join(lines) + "\n"
