"""A run in numbers, held against the run itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from adapters.prometheus.families import FAMILIES
from daemon.commands._figures import Meter
from daemon.commands._views import Watcher
from daemon.engine import Engine
from daemon.events import AnyEvent, BatchRecord, Command, CommandKind, Minutes, UniverseChanged
from tests.runs import cut, decided, first_traded, fresh_engine, traded, without

N_MINUTES = 500


def metered(engine: Engine, batches: list[BatchRecord], shown: int = 50, parts: int = 3) -> Meter:
    """A meter that has seen these batches in some parts."""
    watcher = Watcher(engine, first_traded(), first_traded() + N_MINUTES)
    meter = Meter(engine, watcher, shown, first_traded())
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
    meter = Meter(engine, watcher, 50, first_traded())
    figures = meter.figures()
    minutes = traded(80)
    steps: list[list[AnyEvent | Minutes]] = [
        [minutes[:40]],
        [UniverseChanged(removed=(gone,)), columns(minutes[40:], (0, 2, 3))],
    ]
    for inputs in steps:
        batches, _ = decided(engine, inputs)
        watcher.see(batches)
        meter.see(batches)
        before, figures = figures, meter.figures()
        series = figures["instrument_last_traded_bar_timestamp_seconds"]
        assert set(series) == {(name,) for name in engine.run.names}
    for name, served in figures.items():
        assert not [labels for labels in served if gone in labels], name
    assert set(figures["instrument_bars_expected_total"]) == {(name,) for name in engine.run.names}
    for name in (name for name in before if name.startswith("bar") and name.endswith("_total")):
        assert figures[name][()] >= before[name][()], f"{name} fell: that looks like a restart"
    assert figures["bars_expected_total"] == {(): 4 * 40 + 3 * 40}


def test_no_counter_of_a_run_ever_falls(run: tuple[Engine, list[BatchRecord]]) -> None:
    engine = fresh_engine()
    watcher = Watcher(engine, first_traded(), first_traded() + N_MINUTES)
    meter = Meter(engine, watcher, 50, first_traded())
    before = meter.figures()
    counters = [family.name for family in FAMILIES if family.kind == "counter"]
    for part in cut(traded(N_MINUTES), range(50, N_MINUTES, 50)):
        batches, _ = decided(engine, [part])
        watcher.see(batches)
        meter.see(batches)
        now = meter.figures()
        for name in counters:
            for labels, count in before.get(name, {}).items():
                assert now[name][labels] >= count, (name, labels)
        before = now
    assert before["trades_closed_total"]


def test_trades_keep_their_instrument_when_another_leaves() -> None:
    engine = fresh_engine()
    names = engine.run.names
    minutes = traded(400)
    decided(engine, [minutes[:300]])
    before = {names[i]: trip.exit_minute for i, trip in engine.run.last_trips.by_instrument.items()}
    recent = [names[trip.instrument] for trip in engine.run.last_trips.recent]
    gone = names[0]
    assert {gone, names[3]} <= before.keys()
    engine.apply(UniverseChanged(removed=(gone,)))
    trips, kept = engine.run.last_trips, engine.run.names
    after = {kept[i]: trip.exit_minute for i, trip in trips.by_instrument.items()}
    assert after == {name: minute for name, minute in before.items() if name != gone}
    assert [kept[trip.instrument] for trip in trips.recent] == [name for name in recent if name != gone]


def test_a_run_that_is_taken_up_again_knows_since_when_its_marks_stand() -> None:
    engine = fresh_engine()
    minutes = traded(200)
    batches, _ = decided(engine, [minutes])
    held = [engine.run.names.index(p.instrument) for p in watching(engine, batches).live().positions]
    absent = np.zeros((7, 4), dtype=np.bool_)
    absent[:, held[0]] = True
    more, _ = decided(engine, [without(traded(7, first=200), absent)])
    again = Watcher(engine, more[-1].minute + 1, more[-1].minute + 10, more[-1].book)
    series = Meter(engine, again, 50, first_traded()).figures()[
        "instrument_last_traded_bar_timestamp_seconds"
    ]
    assert series[engine.run.names[held[0]],] == (batches[-1].minute + 1) * 60.0
    others = {at for name, at in series.items() if name != (engine.run.names[held[0]],)}
    assert others <= {(more[-1].minute + 1) * 60.0}


def watching(engine: Engine, batches: list[BatchRecord]) -> Watcher:
    """A watcher that has seen these batches."""
    watcher = Watcher(engine, first_traded(), first_traded() + N_MINUTES)
    watcher.see(batches)
    return watcher
