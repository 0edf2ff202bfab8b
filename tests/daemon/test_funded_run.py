"""A whole run with funding from a series: one digest however it is cut, stopped, changed or read back."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from daemon import playback
from daemon.events import BatchRecord, Fill, FillKind, Instrument, Minutes, SettingsChanged, UniverseChanged
from daemon.settings import Settings
from daemon.snapshot import decode_snapshot, encode_snapshot
from tests.runs import SETTINGS, cut, decided, digests, first_traded, fresh_engine, market, traded

N = 120
EVERY = 7
"""Minutes between two events of an instrument; the first one has none."""
UNSHRUNK = (Phase.explicit, Phase.generate)
NAMES = tuple(instrument.name for instrument in market().instruments)


def with_costs(**costs: object) -> Settings:
    return Settings.model_validate(
        {**SETTINGS.model_dump(), "costs": {**SETTINGS.costs.model_dump(), **costs}}
    )


FUNDED = with_costs(funding_file="funding.parquet")


@cache
def rates() -> dict[tuple[str, int], float]:
    """By instrument and minute: events of all instruments but the first."""
    draw = np.random.default_rng(8)
    minutes = range(first_traded() + 3, first_traded() + N, EVERY)
    return {(name, minute): float(draw.normal(0.0, 1e-3)) for name in NAMES[1:] for minute in minutes}


def series(times: float = 1.0) -> Mapping[str, object]:
    """The columns of those events, three seconds after their minutes began."""
    return {
        "instrument": [name for name, _ in rates()],
        "time_us": np.array([minute * 60_000_000 + 3_000_000 for _, minute in rates()]),
        "rate": np.array(list(rates().values())) * times,
    }


@cache
def played() -> list[BatchRecord]:
    return decided(fresh_engine(FUNDED, series()), [traded(N)])[0]


def funding_of(records: list[BatchRecord]) -> list[Fill]:
    return [fill for record in records for fill in record.fills if fill.kind is FillKind.FUNDING]


def assert_charged_as_held(records: list[BatchRecord]) -> None:
    """Follow what is held by the fills alone; every charge is its value times the rate of its event."""
    held = dict.fromkeys(NAMES, Decimal(0))
    for record in records:
        for fill in record.fills:
            if fill.kind is FillKind.FUNDING:
                rate = Decimal(repr(rates()[fill.instrument, fill.minute]))
                assert 0 <= fill.fee - held[fill.instrument] * fill.price * rate < Decimal("1e-12")
            held[fill.instrument] += fill.quantity


def test_what_is_held_is_charged_at_the_minutes_of_the_series_and_the_account_tells_it() -> None:
    found = funding_of(played())
    assert len(found) > 10
    assert {fill.instrument for fill in found} == set(NAMES[1:])
    assert {(fill.minute - first_traded()) % EVERY for fill in found} == {3}
    assert_charged_as_held(played())
    for before, record in pairwise(played()):
        charged = sum((fill.fee for fill in record.fills), Decimal(0))
        assert record.book.fees - before.book.fees == charged


@settings(max_examples=6, phases=UNSHRUNK)
@given(st.lists(st.integers(1, N - 1), max_size=12))
def test_any_chunking_gives_the_same_digests(cuts: list[int]) -> None:
    assert digests(decided(fresh_engine(FUNDED, series()), cut(traded(N), cuts))[0]) == digests(played())


def test_minute_by_minute_is_the_same_as_all_at_once() -> None:
    one_by_one = decided(fresh_engine(FUNDED, series()), cut(traded(N), range(N)))[0]
    assert digests(one_by_one) == digests(played())


@settings(max_examples=5, phases=UNSHRUNK)
@given(st.integers(1, N - 1))
def test_a_stop_at_any_minute_and_a_start_from_the_snapshot_change_nothing(stop: int) -> None:
    before = fresh_engine(FUNDED, series())
    first = decided(before, [traded(N)[:stop]])[0]
    snapshot = before.snapshot()
    assert snapshot is not None
    after = fresh_engine(FUNDED, series())
    start = first_traded()
    tail = [item for item in playback.inputs(first, NAMES, 64) if isinstance(item, Minutes)]
    history = [*market().blocks(start - 600, start - 1, 97), *tail]
    after.restore(decode_snapshot(encode_snapshot(snapshot)), history)
    assert digests(decided(after, [traded(N)[stop:]])[0]) == digests(played())[stop:]


def test_a_tape_read_back_gives_the_same_digests() -> None:
    again = decided(fresh_engine(FUNDED, series()), playback.inputs(played(), NAMES, 37))[0]
    assert digests(again) == digests(played())


def test_another_rate_is_another_run() -> None:
    other = decided(fresh_engine(FUNDED, series(times=2.0)), [traded(N)])[0]
    assert digests(other)[-1] != digests(played())[-1]


def test_costs_may_change_while_it_runs_but_not_the_file() -> None:
    engine = fresh_engine(FUNDED, series())
    first = decided(engine, [traded(N)[:60]])[0]
    for costs in ({"funding_file": "other.parquet"}, {"funding_bps_per_8h": 1.0}):
        engine.apply(SettingsChanged(settings_json=with_costs(**costs).identity_json()))
    venues = {"simulator": {"taker_fee_bps": 40.0}}
    dearer = with_costs(funding_file="funding.parquet", venues=venues)
    engine.apply(SettingsChanged(settings_json=dearer.identity_json()))
    rest = decided(engine, [traded(N)[60:]])[0]
    refused = [refusal.reason for refusal in rest[0].refusals]
    assert refused == ["a change of costs.funding_file needs a restart"] * 2
    assert engine.run.settings == dearer
    assert funding_of(rest)
    fees = [fill.fee / (fill.price * abs(fill.quantity)) for r in rest for fill in r.fills if fill.quantity]
    assert fees
    assert all(abs(fee - Decimal("0.004")) < Decimal("1e-9") for fee in fees)
    again = decided(fresh_engine(FUNDED, series()), playback.inputs([*first, *rest], NAMES, 25))[0]
    assert digests(again) == digests([*first, *rest])


def test_events_keep_to_their_instruments_when_one_leaves() -> None:
    engine = fresh_engine(FUNDED, series())
    first = decided(engine, [traded(N)[:60]])[0]
    engine.apply(UniverseChanged(removed=(NAMES[0],)))
    minutes = traded(N)[60:]
    wide = {name for name in Minutes.__slots__ if getattr(minutes, name).ndim == 2}
    narrow = replace(minutes, **{name: getattr(minutes, name)[:, 1:] for name in wide})
    rest = decided(engine, [narrow])[0]
    assert funding_of(rest)
    assert_charged_as_held([*first, *rest])


def test_the_gate_counts_the_fees_of_the_venues_after_an_instrument_joined() -> None:
    engine = fresh_engine(with_costs(impact=0.0, venues={"elsewhere": {"taker_fee_bps": 100.0}}))
    decided(engine, [traded(1)])
    newcomer = Instrument("elsewhere:XUSDT", "USDT", Decimal("0.01"), Decimal("0.001"))
    engine.apply(UniverseChanged(added=(newcomer,)))
    assert engine.run.names[0] == newcomer.name
    ones = np.ones(2)
    cost = engine.run.round_trips.estimate(np.array([0, 1]), ones, ones, ones)
    assert cost[0] - cost[1] == pytest.approx(2 * (100.0 - 0.5) * 1e-4)
