"""A run in numbers, held against the run itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from daemon.commands._figures import Meter
from daemon.commands._views import Watcher
from daemon.engine import Engine
from daemon.events import AnyEvent, BatchRecord, Command, CommandKind, Minutes, UniverseChanged
from tests.runs import cut, decided, first_traded, fresh_engine, traded, without

N_MINUTES = 500


def metered(engine: Engine, batches: list[BatchRecord], shown: int = 50, parts: int = 3) -> Meter:
    """A meter that has seen these batches in some parts."""
    watcher = Watcher(engine, first_traded(), first_traded() + N_MINUTES)
    meter = Meter(engine, watcher, shown)
    for part in np.array_split(np.arange(len(batches)), parts):
        group = [batches[i] for i in part]
        watcher.see(group)
        meter.see(group)
    return meter


@pytest.fixture(scope="module")
def run() -> tuple[Engine, list[BatchRecord]]:
    """A run of four instruments."""
    engine = fresh_engine()
    batches, _ = decided(engine, cut(traded(N_MINUTES), [100, 300]))
    return engine, batches


def test_figures_are_those_of_the_run(run: tuple[Engine, list[BatchRecord]]) -> None:
    engine, batches = run
    figures = metered(engine, batches).figures()
    book = batches[-1].book
    assert figures["equity"] == {
        ("expected",): float(book.equity),
        ("best",): float(book.best),
        ("worst",): float(book.worst),
    }
    assert figures["cash"] == {(): float(book.cash)}
    assert figures["batches_total"] == {(): N_MINUTES}
    assert figures["bars_expected_total"] == figures["bars_received_total"] == {(): 4 * N_MINUTES}
    fills = Counter(fill.kind.value for record in batches for fill in record.fills)
    assert fills["trade"] > 0
    assert figures["fills_total"] == {("trade",): fills["trade"], ("delisted",): 0.0, ("funding",): 0.0}
    orders = Counter(order.reason for record in batches for order in record.orders)
    assert {key[0]: n for key, n in figures["orders_total"].items() if n} == orders
    assert figures["last_closed_bar_timestamp_seconds"] == {(): (batches[-1].minute + 1) * 60.0}
    assert sum(figures["trading_state"].values()) == figures["trading_state"]["normal",] == 1.0


def test_realised_and_unrealised_profit_less_fees_make_the_equity(
    run: tuple[Engine, list[BatchRecord]],
) -> None:
    figures, fees = metered(*run).figures(), float(run[1][-1].book.fees)
    parts = figures["capital"][()] + figures["pnl_realised"][()] + figures["pnl_unrealised"][()] - fees
    assert parts == pytest.approx(figures["equity"]["expected",], abs=1e-6)


def test_every_step_of_the_funnel_adds_up(run: tuple[Engine, list[BatchRecord]]) -> None:
    figures = metered(*run).figures()
    step = {key[0]: count for key, count in figures["funnel_total"].items()}
    fell_out: Counter[str] = Counter()
    for (at, _), count in figures["refusals_total"].items():
        fell_out[at] += int(count)
    assert step["scored"] == step["has_edge"] + fell_out["has_edge"]
    assert step["has_edge"] == step["passes_limits"] + fell_out["passes_limits"]
    assert step["passes_limits"] == step["ordered"] + fell_out["ordered"]


def test_pending_labels_are_the_scored_decisions_that_were_not_judged(
    run: tuple[Engine, list[BatchRecord]],
) -> None:
    engine, batches = run
    figures = metered(engine, batches).figures()
    scored = sum(len(record.decisions) for record in batches) // engine.dtype.itemsize
    assert figures["labels_pending"][()] == scored - figures["expert_labels"]["blend", "calibrated"] > 0


def test_the_predicted_edge_is_that_of_the_entries(run: tuple[Engine, list[BatchRecord]]) -> None:
    engine, batches = run
    edges = []
    for record in batches:
        rows = np.frombuffer(record.decisions, engine.dtype)
        of = {engine.run.names[row["instrument"]]: float(row["edge"]) for row in rows}
        edges += [
            abs(of[order.instrument])
            for order in record.orders
            if order.reason in {"entry", "add", "reversal"}
        ]
    figures = metered(engine, batches).figures()
    assert figures["edge_predicted_ratio"][()] == pytest.approx(float(np.mean(edges)))


def test_the_parts_in_which_batches_come_change_nothing(run: tuple[Engine, list[BatchRecord]]) -> None:
    assert metered(*run, parts=1).figures() == metered(*run, parts=41).figures()


def test_series_per_instrument_are_capped_and_the_largest_positions_stay(
    run: tuple[Engine, list[BatchRecord]],
) -> None:
    every = metered(*run).figures()
    capped = metered(*run, shown=1).figures()
    weights = every["position_weight_ratio"]
    assert len(weights) > 1
    assert list(capped["position_weight_ratio"]) == [max(weights, key=lambda key: abs(weights[key]))]
    assert len(capped["instrument_last_traded_bar_timestamp_seconds"]) == 1
    assert capped["instruments_without_series"] == {(): 3.0}
    assert capped["positions"] == every["positions"]
    assert capped["pnl_unrealised"] == every["pnl_unrealised"]


def test_a_run_that_has_decided_nothing_has_its_capital_and_no_moment() -> None:
    engine = fresh_engine()
    meter = metered(engine, [], parts=1)
    meter.see(())
    figures = meter.figures()
    assert figures["equity"]["expected",] == figures["cash"][()] == float(engine.run.settings.run.capital)
    assert "last_closed_bar_timestamp_seconds" not in figures
    assert "trade_return_ratio" not in figures
    assert "edge_predicted_ratio" not in figures


def test_missing_bars_and_events_are_counted() -> None:
    engine = fresh_engine()
    minutes = traded(60)
    absent = np.zeros(minutes.present.shape, dtype=np.bool_)
    absent[20:50, 1] = True
    command = Command(command=CommandKind.PAUSE, by="test")
    batches, _ = decided(engine, [without(minutes, absent)[:40], command, without(minutes, absent)[40:]])
    figures = metered(engine, batches, parts=1).figures()
    assert figures["bars_expected_total"] == {(): 240.0}
    assert figures["bars_received_total"] == {(): 210.0}
    assert figures["bar_gaps_total"] == {(): 1.0}
    assert figures["events_total"]["Command",] == 1.0
    assert figures["trading_state"]["no_entry",] == 1.0


def columns(minutes: Minutes, kept: Sequence[int]) -> Minutes:
    """The minutes of some of the instruments."""
    names = ("open", "high", "low", "close", "volume", "taker", "present", "synthetic")
    return replace(minutes, **{name: getattr(minutes, name)[:, kept] for name in names})


def test_an_instrument_that_left_has_no_series_any_more() -> None:
    engine = fresh_engine()
    gone = engine.run.names[1]
    watcher = Watcher(engine, first_traded(), first_traded() + 80)
    meter = Meter(engine, watcher, 50)
    minutes = traded(80)
    steps: list[list[AnyEvent | Minutes]] = [
        [minutes[:40]],
        [UniverseChanged(removed=(gone,)), columns(minutes[40:], (0, 2, 3))],
    ]
    for inputs in steps:
        batches, _ = decided(engine, inputs)
        watcher.see(batches)
        meter.see(batches)
        figures = meter.figures()
        series = figures["instrument_last_traded_bar_timestamp_seconds"]
        assert set(series) == {(name,) for name in engine.run.names}
    assert (gone,) not in series
    assert (gone,) not in figures["position_weight_ratio"]
