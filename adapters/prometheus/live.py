"""Families that only live runs have: feeds, their bars, first prices, the MQTT broker."""

from typing import Final

from adapters.prometheus.family import Family

LOOP_LAG: Final = "loop_lag_seconds"

LIVE_FAMILIES: Final = (
    Family(LOOP_LAG, "gauge", "The worst by which the event loop was late in the last minute."),
    Family(
        "health_ok",
        "gauge",
        "1 while a check of /readyz is well: loop and engine (which /healthz asks), warm, model, feed, tape.",
        ("check",),
    ),
    Family("feed_lost_instruments", "gauge", "Instruments that the feed does not deliver now.", ("feed",)),
    Family("feed_losses_total", "counter", "How often the feed said it lost something.", ("feed",)),
    Family(
        "feed_frames_refused_total", "counter", "Frames and bars that cannot be what they claim.", ("feed",)
    ),
    Family(
        "feed_frames_ignored_total",
        "counter",
        "Known frames that say nothing of bars, by name.",
        ("feed", "frame"),
    ),
    Family(
        "feed_lag_seconds",
        "gauge",
        "Least time from a minute's end to its bar, of the last 64: below 0 the machine's clock is behind "
        "the venue's, far above it is ahead or the feed is slow.",
        ("feed",),
    ),
    Family(
        "feed_heard_timestamp_seconds", "gauge", "When the feed's stream last brought anything.", ("feed",)
    ),
    Family("feed_queue_messages", "gauge", "Messages that wait for the sequencer."),
    Family("history_requests", "gauge", "Requests for history under way."),
    Family(
        "live_bars_total",
        "counter",
        "Live bars by what became of them: streamed, fetched, flat, duplicate, revised, late, refused, "
        "given_up.",
        ("way",),
    ),
    Family(
        "instrument_streamed_ratio",
        "gauge",
        "Share of expected bars that the stream brought, of the instruments that did worst.",
        ("instrument",),
    ),
    Family(
        "diagnostics_dropped_total",
        "counter",
        "Late or revised bars and arrivals that came too many at once to be kept on the tape.",
    ),
    Family("indications_total", "counter", "Orders for which a first price was seen after the decision."),
    Family("indication_delay_seconds", "gauge", "From the last such decision's commit to its price."),
    Family(
        "indication_difference_ratio",
        "gauge",
        "The fill's reference less that price, over it, against us positive: last, mean.",
        ("estimate",),
    ),
)
"""Those of a live run alone."""

TAPE_FAMILIES: Final = (
    Family("tape_oldest_batch_timestamp_seconds", "gauge", "When the oldest minute on the tape began."),
    Family("tape_pruned_batches_total", "counter", "Batches that retention took off the tape in its life."),
)
"""Those of a live run's tape; asked for at each scrape."""

MODEL_FAMILIES: Final = (
    Family(
        "model_swaps_total",
        "counter",
        "Versions of the model that the alias moved to, by what became of them: swapped, refused.",
        ("result",),
    ),
    Family(
        "model_swapped_timestamp_seconds", "gauge", "Since when the version that trades does, if swapped in."
    ),
    Family("model_registry_reachable", "gauge", "1 if the model's registry answered when last asked."),
    Family("model_registry_failures_total", "counter", "How often the model's registry did not answer."),
    Family(
        "model_labels",
        "gauge",
        "Labels on which a version's blend was judged, in the window; role: champion, past, challenger.",
        ("model", "role"),
    ),
    Family(
        "model_skill_nats",
        "gauge",
        "Log-loss of the base rate less that of a version's blend, nats a label.",
        ("model", "role", "estimate"),
    ),
    Family(
        "model_information_coefficient",
        "gauge",
        "Rank information coefficient of a version's blend.",
        ("model", "role", "estimate"),
    ),
    Family(
        "model_calibration_error_ratio",
        "gauge",
        "Expected calibration error of a version's blend.",
        ("model", "role"),
    ),
    Family(
        "challenger_gain_nats",
        "gauge",
        "Skill of the challenger's blend less that of what traded, on the same labels.",
        ("model", "estimate"),
    ),
)
"""Those of a live run that watches its model's alias."""

MQTT_FAMILIES: Final = (
    Family("mqtt_connected", "gauge", "1 while the MQTT broker is there."),
    Family("mqtt_messages_sent_total", "counter", "Messages that the broker has confirmed."),
    Family(
        "mqtt_messages_dropped_total",
        "counter",
        "Messages thrown away because too many waited, by way: out, in.",
        ("way",),
    ),
)
"""Those of a live run that speaks to a broker."""

CONTROL_FAMILIES: Final = (
    Family(
        "control_requests_total",
        "counter",
        "Requests to the control API by the path of the route and the status of the answer.",
        ("route", "status"),
    ),
    Family(
        "control_last_command_timestamp_seconds",
        "gauge",
        "When the control API last took a command in, by the run's clock; absent if it has not.",
    ),
)
"""Those of a live run with a control API."""

RELOAD_FAMILIES: Final = (
    Family(
        "settings_reloads_total",
        "counter",
        "How often settings were read again: applied, rejected whole, unchanged.",
        ("result",),
    ),
    Family("settings_rejected", "gauge", "1 while the settings file, as last read, is not what is in force."),
)
"""Those of a run whose settings are read again; asked for at each scrape."""
