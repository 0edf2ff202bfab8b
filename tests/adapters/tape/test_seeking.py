"""Where to begin to read, held against looking at everything."""

import msgspec
import numpy as np
import pytest

from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon import chain
from daemon.events import BAR_FLAG_REFUSED, BAR_RECORD, Command
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home


def test_the_batch_before_a_minute_is_the_newest_of_an_earlier_one(finished: samples.Sample[Place]) -> None:
    with TapeReader(finished.place) as reader:
        for minute in range(samples.FIRST_MINUTE - 3, samples.FIRST_MINUTE + 50):
            earlier = [record.batch for record in finished.batches if record.minute < minute]
            assert reader.batch_before(minute) == max(earlier, default=0)


@pytest.mark.parametrize("n_rows", [1, 2, 7, 30, 1000])
def test_windows_reach_back_to_the_oldest_bar_that_any_lane_needs(
    finished: samples.Sample[Place], n_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.tape.seeking._SLICE", 10)
    packed = b"".join(samples.warmup_blocks(3)) + b"".join(record.bars for record in finished.batches)
    bars = np.frombuffer(packed, BAR_RECORD)
    # Every seventh batch brings a late bar of the first instrument.
    late = [(0, record.minute - 1) for record in finished.batches if record.batch % 7 == 0]
    for minute in (samples.FIRST_MINUTE + 35, samples.FIRST_MINUTE + 40):
        oldest = []
        for key in range(3):
            own = sorted(
                bars["minute"][bars["instrument"] == key].tolist() + [at for of, at in late if of == key]
            )
            own = [at for at in own if at <= minute]
            oldest.append(own[max(0, len(own) - n_rows)])
        with TapeReader(finished.place) as reader:
            assert reader.first_needed(minute, n_rows) == min(oldest)


def test_refused_bars_fill_no_window(home: Home) -> None:
    place = home.place()
    with TapeWriter(place) as writer:
        previous = writer.begin(samples.HEADER, samples.instruments(1), "1", {})
        for number in range(1, 6):
            record = next(samples.batches(previous, 1, n_instruments=1, start=number - 1))
            rows = np.ones(1, BAR_RECORD)
            rows["instrument"], rows["minute"] = 0, record.minute
            rows["flags"] = BAR_FLAG_REFUSED if number in {4, 5} else 0
            record = chain.sealed(previous, msgspec.structs.replace(record, bars=rows.tobytes(), events=()))
            writer.append([record])
            previous = record.digest
    with TapeReader(place) as reader:
        assert reader.first_needed(samples.FIRST_MINUTE + 5, 1) == samples.FIRST_MINUTE + 3
        assert reader.first_needed(samples.FIRST_MINUTE + 5, 9) == samples.FIRST_MINUTE + 1


def test_events_of_one_kind_come_in_order(finished: samples.Sample[Place]) -> None:
    with TapeReader(finished.place) as reader:
        found = tuple(reader.events_of(Command.__name__))
        begun = reader.begin_events()
    inside = [event for record in finished.batches for event in record.events]
    assert found == tuple(event for event in (*begun, *inside) if event.kind == "Command")
    assert len(found) == 6
