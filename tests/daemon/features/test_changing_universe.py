"""Features while instruments join and leave, the benchmark among them."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from daemon.events import Backfill, Instrument, Minutes, UniverseChanged
from daemon.features import FeaturePlan, FeatureState, compile_plan
from daemon.settings import FeatureSettings
from tests.daemon.features.market import walk

ALL = ("test:A", "test:B", "test:C", "test:D")
A, B, C, D = ALL
LEAVES, RETURNS, AT = 1_700, 2_300, 3_000
N = 3_200


def columns_of(minutes: Minutes, names: tuple[str, ...]) -> Minutes:
    at = [ALL.index(name) for name in names]
    wide = {name for name in Minutes.__slots__ if getattr(minutes, name).ndim == 2}
    return replace(minutes, **{name: getattr(minutes, name)[:, at] for name in wide})


def past_of(minutes: Minutes, name: str) -> Backfill:
    one = columns_of(minutes, (name,))
    there = one.present[:, 0]
    cells = (getattr(one, cell)[there, 0].tolist() for cell in ("open", "high", "low", "close", "volume"))
    rows = zip(one.minute[there].tolist(), *cells, strict=True)
    return Backfill(instrument=name, bars=tuple((*row, None, False) for row in rows))


def joins(name: str) -> UniverseChanged:
    return UniverseChanged(added=(Instrument(name, "USDT", Decimal(1), Decimal(1)),))


def inputs(minutes: Minutes, first: int, end: int) -> Iterator[Minutes | Backfill | UniverseChanged]:
    """What goes in from minute `first` on: the benchmark leaves as D joins, and comes back later."""
    events = {
        LEAVES: (UniverseChanged(removed=(A,)), joins(D), past_of(minutes[LEAVES - 900 : LEAVES], D)),
        RETURNS: (joins(A), past_of(minutes[RETURNS - 900 : RETURNS], A)),
    }
    names: tuple[str, ...] = (A, B, C)
    for begin, stop in ((0, LEAVES), (LEAVES, RETURNS), (RETURNS, N)):
        for event in events.get(begin, ()):
            if isinstance(event, UniverseChanged):
                names = event.after(names)
            if first <= begin < end:
                yield event
        if max(begin, first) < min(stop, end):
            yield columns_of(minutes[max(begin, first) : min(stop, end)], names)


def fed(plan: FeaturePlan, items: Iterator[Minutes | Backfill | UniverseChanged]) -> FeatureState:
    state = plan.initial((A, B, C))
    for item in items:
        if isinstance(item, UniverseChanged):
            before = state.instruments
            state = state.regrouped(item.columns(before), item.after(before), plan.quanta)
        elif isinstance(item, Backfill):
            state = plan.extend(state, item)
        else:
            _, state = plan.advance(state, item)
    return state


@pytest.mark.parametrize("absent", [0.0, 0.3])
def test_windows_are_filled_again_from_inputs_among_which_the_benchmark_leaves_and_returns(
    absent: float,
) -> None:
    plan = compile_plan(
        FeatureSettings(groups=("short",), names=("same_minute_move_24h",), sigma_bars=60), (A, B, C)
    )
    minutes = walk(N, 4, seed=12, absent=absent)
    state = fed(plan, inputs(minutes, 0, AT))
    newest = [np.nonzero(minutes.present[:AT, j])[0][-plan.history_rows] for j in (1, 2)]
    begin = min(*newest, RETURNS - 900, LEAVES - 900)
    assert 0 < begin < LEAVES
    restored = plan.restore(state.to_fields(), inputs(minutes, int(begin), AT), (A, B, C))
    rest = columns_of(minutes[AT:], ALL)
    expected, _ = plan.advance(state, rest)
    got, _ = plan.advance(restored, rest)
    assert expected.ready.all() or absent
    assert got.values.tobytes() == expected.values.tobytes()
    assert got.ready.tobytes() == expected.ready.tobytes()


def test_inputs_that_lead_to_other_instruments_than_the_snapshots_are_refused() -> None:
    plan = compile_plan(FeatureSettings(groups=("twenty",), sigma_bars=60), (A, B, C))
    minutes = walk(400, 4, seed=3)
    state = fed(plan, iter([columns_of(minutes, (A, B, C)), UniverseChanged(removed=(A,))]))
    with pytest.raises(ValueError, match="not those that its history leads to"):
        plan.restore(state.to_fields(), [columns_of(minutes, (A, B, C))], (A, B, C))


def test_one_that_joins_is_counted_in_the_steps_that_the_model_knows_of_it() -> None:
    minutes = walk(400, 4, seed=3)
    knows = compile_plan(FeatureSettings(groups=("twenty",), sigma_bars=60), (A, B, C))
    trained = fed(knows, iter([columns_of(minutes, (A, B, C))]))
    plan = replace(knows, quanta={D: trained.quanta[A]})
    state = plan.initial((A, B))
    event = joins(D)
    state = state.regrouped(event.columns((A, B)), event.after((A, B)), plan.quanta)
    assert state.quanta == {D: trained.quanta[A]}
