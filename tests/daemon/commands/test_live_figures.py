"""What Prometheus hears of a live run: known families, with their labels, from a run that was played."""

from adapters.prometheus.families import FAMILIES
from adapters.prometheus.live import LIVE_FAMILIES, LOOP_LAG
from daemon.commands._live_figures import live_series
from tests.daemon.test_live import N, Played
from tests.runs import market

AS_OF_THE_SCRAPE = {"health_ok", LOOP_LAG}
"""Asked by each scrape, not with the figures."""


async def test_every_live_figure_is_a_series_of_a_known_family_with_its_labels() -> None:
    live = await Played(mute=frozenset({5}), lost=frozenset({60}), n_minutes=N).play()
    found = live_series(live.live, 2)
    labels = {family.name: family.labels for family in FAMILIES}
    assert {family.name for family in LIVE_FAMILIES} - AS_OF_THE_SCRAPE == set(found)
    assert all(len(key) == len(labels[name]) for name, series in found.items() for key in series)
    n = len(market().instruments)
    assert found["live_bars_total"]["streamed",] == (N - 1) * n
    assert found["live_bars_total"]["fetched",] == n
    assert found["feed_losses_total"] == {("file",): 1.0}
    assert found["feed_lost_instruments"] == {("file",): 0.0}
    assert found["feed_lag_seconds"] == {("file",): 0.005}
    assert len(found["instrument_streamed_ratio"]) == 2
    assert found["indication_difference_ratio"]["mean",] == 0.0
