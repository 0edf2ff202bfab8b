"""The dashboard *Operations*: are the bars there, is the daemon in time, is what it needs at hand."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.feeds import feeds
from deploy.grafana.frame import dashboard_of
from deploy.grafana.panels import ABOVE_ZERO_IS_BAD, Panel, Query, Steps, lines, number, states
from deploy.grafana.selectors import of, resource

RATE = "$__rate_interval"
LATE = Steps(("green", "yellow", "red"), (120.0, 300.0))


def operations() -> Dashboard:
    """Return the dashboard."""
    return dashboard_of(
        "operations",
        "Operations",
        "Feeds and their bars, time by stage, the event loop, the tape, reloads, resources.",
        (
            ("Now", _now()),
            ("Feeds and bars", feeds()),
            ("Speed", _speed()),
            ("Tape and settings", _tape()),
            ("Orders, settings and models from outside", _orders()),
            ("MQTT", _mqtt()),
            ("Resources", _resources()),
        ),
    )


def _age(name: str) -> str:
    return f"time() - {of(name)}"


def _now() -> list[Panel]:
    firing = 'count(ALERTS{alertstate="firing", alertname=~"Papertape.*"}) or vector(0)'
    return [
        number("Version", "Of papertape.", "none", Query(of("build_info"), "{{version}}"), named=True),
        number(
            "Alerts",
            "Of papertape's rules, firing; the watchdog is not among them.",
            "none",
            Query(firing, "firing"),
            steps=ABOVE_ZERO_IS_BAD,
        ),
        number(
            "Last minute decided",
            "Since it was made durable.",
            "s",
            Query(_age("last_commit_timestamp_seconds"), "age"),
            steps=LATE,
        ),
        number(
            "Instruments lost",
            "That feeds do not deliver now.",
            "none",
            Query(f"sum({of('feed_lost_instruments')}) or vector(0)", "lost"),
            steps=ABOVE_ZERO_IS_BAD,
        ),
        number("Instruments", "Of the run.", "none", Query(of("instruments"), "instruments")),
        number(
            "Not ready",
            "With a bar but no ready features.",
            "none",
            Query(of("features_not_ready"), "not ready"),
            steps=ABOVE_ZERO_IS_BAD,
        ),
        number(
            "Up for",
            "Since the process started.",
            "s",
            Query(f"time() - {resource('process_start_time_seconds')}", "up"),
        ),
        number(
            "Settings taken over",
            "Since then; the start counts as a reload.",
            "s",
            Query(_age("last_good_reload_timestamp_seconds"), "ago"),
        ),
        states(
            "Health",
            "What /readyz looks at; red is ill.",
            Query(of("health_ok"), "{{check}}"),
            width=24,
            steps=Steps(("red", "green"), (1.0,)),
        ),
    ]


def _speed() -> list[Panel]:
    buckets = f"sum by (le, stage) (rate({of('stage_seconds_bucket')}[{RATE}]))"
    return [
        *(
            lines(
                f"Time a stage takes, {name}",
                "For one chunk of minutes; live a chunk is a minute.",
                "s",
                Query(f"histogram_quantile({share}, {buckets})", "{{stage}}"),
            )
            for name, share in (("median", 0.5), ("99 of 100", 0.99))
        ),
        lines(
            "Event loop lag", "The worst delay of the last minute.", "s", Query(of("loop_lag_seconds"), "lag")
        ),
        lines(
            "Queues",
            "Messages that wait for the sequencer, requests for history under way.",
            "none",
            Query(of("feed_queue_messages"), "messages"),
            Query(of("history_requests"), "requests"),
        ),
        lines(
            "Minutes decided",
            "A minute; of them filled from history.",
            "none",
            Query(f"60 * rate({of('batches_total')}[{RATE}])", "decided"),
            Query(f"60 * rate({of('catch_up_batches_total')}[{RATE}])", "filled from history"),
        ),
        lines(
            "First prices after decisions",
            "The fill's reference less that price, over it; against us above zero.",
            "percentunit",
            Query(of("indication_difference_ratio"), "{{estimate}}"),
        ),
    ]


def _tape() -> list[Panel]:
    outages = f"increase({of('tape_outages_total')}[1h]) or vector(0)"
    retries = f"increase({of('tape_retries_total')}[1h]) or vector(0)"
    return [
        lines(
            "Tape",
            "Size of its files, their log included.",
            "bytes",
            Query(of("tape_bytes"), "tape"),
            width=8,
        ),
        lines("Free space", "On the tape's disk.", "bytes", Query(of("disk_free_bytes"), "free"), width=8),
        lines(
            "Time on the tape",
            "From its oldest minute to its newest: what retention keeps.",
            "s",
            Query(
                f"{of('last_closed_bar_timestamp_seconds')} - {of('tape_oldest_batch_timestamp_seconds')}",
                "kept",
            ),
            width=8,
        ),
        lines(
            "Since the last",
            "Commit, snapshot, reload of settings.",
            "s",
            *(
                Query(_age(f"last_{what}_timestamp_seconds"), name)
                for what, name in (("commit", "commit"), ("snapshot", "snapshot"), ("good_reload", "reload"))
            ),
            width=8,
        ),
        lines(
            "Dropped",
            "An hour: batches that a sink failed to take, late bars and arrivals not kept.",
            "none",
            Query(f"increase({of('sink_drops_total')}[1h])", "sink {{sink}}"),
            Query(f"increase({of('diagnostics_dropped_total')}[1h])", "diagnostics"),
            style="stacked",
            width=8,
        ),
        lines(
            "Outages of the tape's server",
            "An hour, and how often it was tried again; none where the tape is a file.",
            "none",
            Query(outages, "outages"),
            Query(retries, "tries"),
            width=8,
        ),
    ]


def _orders() -> list[Panel]:
    reloads = f"sum by (result) (increase({of('settings_reloads_total')}[1h])) or vector(0)"
    asked = f"sum by (route, status) (increase({of('control_requests_total')}[1h])) or vector(0)"
    return [
        lines(
            "Requests to the control API",
            "An hour, by route and status; none where it is not served.",
            "none",
            Query(asked, "{{route}} {{status}}"),
            style="stacked",
        ),
        lines(
            "Settings read again",
            "An hour: applied, rejected whole, or unchanged; none in a demo or a replay.",
            "none",
            Query(reloads, "{{result}}"),
            style="stacked",
        ),
        lines(
            "Model registry",
            "An hour: how often it did not answer.",
            "none",
            Query(f"increase({of('model_registry_failures_total')}[1h])", "no answer"),
        ),
        lines(
            "Inputs beside the minutes",
            "An hour: commands, feeds lost and restored, changes of model, settings and universe.",
            "none",
            Query(f"sum by (kind) (increase({of('events_total')}[1h])) or vector(0)", "{{kind}}"),
            style="stacked",
        ),
    ]


def _mqtt() -> list[Panel]:
    sent = f"sum(rate({of('mqtt_messages_sent_total')}[{RATE}])) or vector(0)"
    dropped = f"sum(increase({of('mqtt_messages_dropped_total')}[1h])) or vector(0)"
    return [
        lines(
            "Messages", "A second, confirmed by the broker; none without one.", "none", Query(sent, "sent")
        ),
        lines(
            "Messages dropped",
            "An hour, because too many waited.",
            "none",
            Query(dropped, "dropped"),
            style="stacked",
        ),
    ]


def _resources() -> list[Panel]:
    return [
        lines(
            "Processor",
            "Cores in use.",
            "none",
            Query(f"rate({resource('process_cpu_seconds_total')}[{RATE}])", "cores"),
            width=8,
        ),
        lines(
            "Memory",
            "Resident.",
            "bytes",
            Query(resource("process_resident_memory_bytes"), "resident"),
            width=8,
        ),
        lines(
            "Open files",
            "And sockets, and how many may be.",
            "none",
            Query(resource("process_open_fds"), "open"),
            Query(resource("process_max_fds"), "limit"),
            width=8,
        ),
    ]
