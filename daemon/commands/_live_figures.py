"""What Prometheus hears of a live run beside its engine: feeds, bars by their way in, clocks, indications."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from daemon.bars.lane import LaneCounts
from daemon.commands._figures import Meter, Series
from daemon.live import LiveRun
from daemon.ports import Figures

if TYPE_CHECKING:
    from daemon.commands._control import Control
    from daemon.commands._mqtt import MqttLink
    from daemon.commands._swap import ModelWatch


class LiveMeter(Meter):
    """The figures of a run, and of the feeds it lives on once `live` is set."""

    live: LiveRun | None = None
    link: "MqttLink | None" = None
    control: "Control | None" = None
    models: "ModelWatch | None" = None

    def figures(self) -> Figures:
        """Return all figures as of the batches seen."""
        found = super().figures()
        if self.live is not None:
            found = {**found, **live_series(self.live, self._shown)}
        for other in (self.models, self.link, self.control):
            found = found if other is None else {**found, **other.figures()}
        return found


def live_series(live: LiveRun, shown: int) -> Series:
    """Return the figures of feeds and their bars.

    Args:
        live: The run.
        shown: Most instruments with series of their own.
    """
    sequencer, seen = live.sequencer, live.indications.figures
    found: Series = {
        "feed_lost_instruments": {(feed,): float(n) for feed, n in sequencer.lost.items()},
        "feed_losses_total": {},
        "feed_frames_refused_total": {},
        "feed_frames_ignored_total": {},
        "feed_lag_seconds": {},
        "feed_heard_timestamp_seconds": {(feed,): at / 1000 for feed, at in sequencer.heard_ms.items()},
        "feed_queue_messages": {(): float(live.queued)},
        "history_requests": {(): float(live.fetching)},
        "live_bars_total": _by_way(sequencer.counts, sequencer.departed),
        "instrument_streamed_ratio": _streamed(sequencer.counts, shown),
        "diagnostics_dropped_total": {(): float(sequencer.noted.dropped)},
        "indications_total": {(): float(seen.seen)},
    }
    for feed, frames in sequencer.frames.items():
        found["feed_losses_total"][feed,] = float(frames.losses)
        found["feed_frames_refused_total"][feed,] = float(frames.refused)
        for name, count in frames.ignored.items():
            found["feed_frames_ignored_total"][feed, name] = float(count)
        if frames.skew_ms is not None:
            found["feed_lag_seconds"][feed,] = frames.skew_ms / 1000
    if seen.seen:
        found["indication_delay_seconds"] = {(): seen.delay_ms / 1000}
    if seen.filled:
        found["indication_difference_ratio"] = {("last",): seen.last, ("mean",): seen.total / seen.filled}
    return found


def _by_way(counts: Mapping[str, LaneCounts], departed: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    # With what came of those that left: a total that falls looks like a restart.
    totals = sum((Counter(of_one.by_way()) for of_one in counts.values()), Counter(departed))
    return {(way,): float(totals[way]) for way in LaneCounts().by_way()}


def _streamed(counts: Mapping[str, LaneCounts], shown: int) -> dict[tuple[str, ...], float]:
    """Return the share of expected bars that the stream brought, of the instruments that did worst."""
    shares = {name: one.streamed / one.expected for name, one in counts.items() if one.expected}
    worst = sorted(shares, key=lambda name: (shares[name], name))[:shown]
    return {(name,): shares[name] for name in sorted(worst)}
