"""Bars that entered nothing, arrivals and indications come back as they were given."""

from math import isnan, nan

import pytest

from adapters.tape import diagnostics
from adapters.tape.intact import check_intact
from adapters.tape.place import Place
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.diagnostics import Arrival, Diagnostics, Indication, StoredBar, Unapplied
from daemon.errors import TapeDamagedError
from daemon.feed import BarClosed
from tests.adapters.tape import samples
from tests.adapters.tape.homes import Home

MINUTE = samples.FIRST_MINUTE
NAME = samples.instruments()[1].name
LATE = StoredBar(Unapplied.LATE, BarClosed(NAME, MINUTE, 1.0, 2.0, 0.5, 1.5, 3.0, 1.25), 1_700_000_000_123)
REVISED = StoredBar(
    Unapplied.REVISION, BarClosed(NAME, MINUTE, 1.0, 2.0, 0.5, 1.75, 3.0, nan), 1_700_000_000_456
)
SEEN = Indication(4, NAME, MINUTE + 1, 1.625, 1_700_000_060_100, 1_700_000_060_350)
CAME = Arrival(NAME, MINUTE, 1_700_000_000_007)


@pytest.fixture
def place(home: Home) -> Place:
    sample = samples.write(home.place(), n=5)
    with TapeWriter(sample.place) as tape:
        tape.append((), None, Diagnostics((LATE,), (CAME,), (SEEN,)))
        tape.append((), None, Diagnostics((REVISED, REVISED)))
    return sample.place


def test_diagnostics_come_back_and_the_tape_is_intact(place: Place) -> None:
    with TapeReader(place) as reader:
        late, first, second = diagnostics.stored_bars(reader)
        assert late == LATE
        assert isnan(first.bar.taker)
        assert (first.kind, first.bar.close, first.received_ms) == (REVISED.kind, 1.75, REVISED.received_ms)
        assert second.received_ms == REVISED.received_ms
        assert list(diagnostics.arrivals(reader)) == [CAME]
        assert list(diagnostics.indications(reader)) == [SEEN]
        assert list(check_intact(reader)) == []


def test_a_changed_diagnostic_row_is_found(home: Home, place: Place) -> None:
    home.execute(place, "UPDATE indication SET price = 9.0")
    with TapeReader(place) as reader:
        (finding,) = check_intact(reader)
        assert "indication" in str(finding)
        with pytest.raises(TapeDamagedError, match="indication"):
            list(diagnostics.indications(reader))


def test_a_tape_of_the_schema_before_indications_is_brought_up_to_this_one(home: Home) -> None:
    sample = samples.write(home.place(), n=3)
    for table in ("indication", "pruned", "day_summary"):
        home.execute(sample.place, f"DROP TABLE {table}")
    home.execute(sample.place, "UPDATE alembic_version SET version_num = '0002'")
    with TapeWriter(sample.place) as tape:
        tape.append((), None, Diagnostics(indications=(SEEN,)))
    with TapeReader(sample.place) as reader:
        assert list(diagnostics.indications(reader)) == [SEEN]
        assert list(check_intact(reader)) == []
