"""Feeds and their bars, for the dashboard *Operations*: do they come, are they whole, are they in time."""

from deploy.grafana.panels import Panel, Query, lines
from deploy.grafana.selectors import of


def feeds() -> list[Panel]:
    """Return the panels."""
    newest, of_each = of("last_closed_bar_timestamp_seconds"), of("instrument_last_bar_timestamp_seconds")
    behind = f"{newest} - on (instance) group_right () {of_each}"
    unheard = f"clamp_min({newest} - on (instance) group_right () {of('feed_heard_timestamp_seconds')}, 0)"
    received, expected = (
        f"sum(increase({of(f'bars_{which}_total')}[1h]))" for which in ("received", "expected")
    )
    return [
        lines(
            "Feed age",
            "How far an instrument's newest bar, and the last that a stream brought, are behind the newest "
            "minute.",
            "s",
            Query(behind, "{{instrument}}"),
            Query(unheard, "stream of {{feed}}"),
        ),
        lines(
            "Completeness",
            "Bars that came, of those that should have, in the hour before.",
            "percentunit",
            Query(f"{received} / {expected}", "received"),
        ),
        lines(
            "Bars that are not as usual",
            "An hour: without a trade, filled in, refused, absent.",
            "none",
            *(
                Query(f"increase({of(f'bars_{kind}_total')}[1h])", kind)
                for kind in ("untraded", "synthetic", "refused", "absent")
            ),
            style="stacked",
        ),
        lines(
            "Bars by way",
            "An hour: what became of live bars.",
            "none",
            Query(f"sum by (way) (increase({of('live_bars_total')}[1h]))", "{{way}}"),
            style="stacked",
        ),
        lines(
            "Instruments lost",
            "That feeds do not deliver.",
            "none",
            Query(of("feed_lost_instruments"), "{{feed}}"),
        ),
        lines(
            "From a minute's end to its bar",
            "The least of the last 64. Below zero this machine's clock is behind the "
            "venue's; far above it is ahead, or the feed is slow.",
            "s",
            Query(of("feed_lag_seconds"), "{{feed}}"),
        ),
        lines(
            "Frames refused, feeds lost",
            "An hour.",
            "none",
            Query(f"increase({of('feed_frames_refused_total')}[1h])", "{{feed}}: refused"),
            Query(f"increase({of('feed_losses_total')}[1h])", "{{feed}}: losses"),
            style="stacked",
        ),
        lines(
            "Worst streams",
            "Share of expected bars that the stream brought; the rest came from history.",
            "percentunit",
            Query(of("instrument_streamed_ratio"), "{{instrument}}"),
        ),
    ]
