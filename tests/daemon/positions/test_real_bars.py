"""The band on recorded bars of 16 perpetuals: real minutes whose range is often narrower than the costs."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from daemon.events import Fill, FillKind, Minutes
from daemon.policy.policy import Target
from daemon.policy.reasons import Reason
from daemon.positions.desk import Desk
from daemon.settings import CostSettings, RunSettings, UniverseSettings
from tests.daemon.positions.market import cursor, instruments, sealed

N_MINUTES = 720


@pytest.fixture(scope="module")
def minutes(shared_data: Path) -> Minutes:
    """Half a day of every perpetual, as they were recorded."""
    bars = pl.scan_parquet(shared_data / "binance_um_2025-05_2025-06.parquet").with_columns(
        minute=pl.col("time").dt.epoch("s") // 60
    )
    first = 20_220 * 1440  # 2025-05-12 00:00 UTC
    day = bars.filter(pl.col("minute").is_between(first, first + N_MINUTES - 1)).collect()
    names = sorted(day["symbol"].unique())
    rows = [[None] * len(names) for _ in range(N_MINUTES)]
    columns = ("open", "high", "low", "close", "volume")
    for minute, symbol, *values in day.select("minute", "symbol", *columns).iter_rows():
        rows[minute - first][names.index(symbol)] = tuple(values)
    assert len(names) > 8
    return sealed(first, rows)


def test_the_band_and_the_books_hold_on_real_bars_where_costs_often_leave_the_range(minutes: Minutes) -> None:
    n = minutes.n_instruments
    desk = Desk(RunSettings().capital, CostSettings(), UniverseSettings(), instruments(n, "0.00001", "0.001"))
    draw, bars = np.random.default_rng(0), cursor(minutes, sigma=5e-4)
    fills: list[Fill] = []
    for t in range(N_MINUTES):
        bars.seek(t)
        fills.extend(desk.open_minute(bars).fills)
        book = desk.close_minute(bars)
        assert book.best >= book.equity >= book.worst
        assert desk.account.ledger.imbalance == 0
        wanted = [(i, float(draw.choice([-0.05, 0.0, 0.05]))) for i in range(n) if draw.random() < 0.05]
        desk.place(bars, [Target(i, w, Reason.ENTRY) for i, w in wanted if bars.age(i) == 0])
    buys = [fill for fill in fills if fill.kind is FillKind.TRADE and fill.quantity > 0]
    assert len(buys) > 100
    for fill in fills:
        side = -1 if fill.quantity < 0 else 1
        assert side * fill.best <= side * fill.price <= side * fill.worst
    # The reason for max(high, expected): a buyer who pays costs is often above the minute's high.
    above = sum(fill.worst == fill.price for fill in buys) / len(buys)
    assert 0.02 < above < 0.8
