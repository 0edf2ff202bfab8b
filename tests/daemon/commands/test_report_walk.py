"""One pass over a tape's batches when instruments leave and join on the way."""

from daemon.commands._report import _Walk
from daemon.events import BatchRecord, Minutes, UniverseChanged
from tests.runs import SETTINGS, decided, fresh_engine, market, traded

NAMES = tuple(instrument.name for instrument in market().instruments)
LEAVING = NAMES[1]


def columns_of(minutes: Minutes, columns: list[int]) -> Minutes:
    cells = {name: getattr(minutes, name) for name in Minutes.__slots__}
    return Minutes(**{name: cell[:, columns] if cell.ndim == 2 else cell for name, cell in cells.items()})


def test_bars_are_counted_under_their_own_names_when_instruments_leave_and_come_back() -> None:
    engine = fresh_engine()
    minutes = traded(90)
    first = decided(engine, [minutes[:30]])[0]
    engine.apply(UniverseChanged(removed=(LEAVING,)))
    second = decided(engine, [columns_of(minutes[30:50], [0, 2, 3])])[0]
    engine.apply(UniverseChanged(added=(market().instruments[1],)))
    third = decided(engine, [minutes[50:]])[0]
    walk = _Walk(SETTINGS, market().instruments, engine.run.panel.names, 90)
    runs: list[tuple[list[BatchRecord], tuple[str, ...]]] = [
        (first, NAMES),
        (second, tuple(name for name in NAMES if name != LEAVING)),
        (third, NAMES),
    ]
    for records, names in runs:
        walk.take(records, names)
    walk.account.end_day()
    received = {figures.instrument: figures.received for figures in walk.coverage.figures()}
    # One that comes back is counted from then on, as in the run's own state.
    assert received == {name: 40 if name == LEAVING else 90 for name in NAMES}
    assert walk.coverage.figures() == engine.run.coverage.figures()
