"""What a person sees of a run while it plays and when it ends, read from the engine between two chunks."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from daemon.engine import Engine
from daemon.events import BAR_RECORD, MINUTES_PER_DAY, BatchRecord, Book
from daemon.positions.money import minus, times
from daemon.vitals.alarm_panels import alarm_tables
from daemon.vitals.completeness import missing_facts
from daemon.vitals.held import HeldPosition
from daemon.vitals.summary import Banded, LiveView, RecentTrade, RunSummary

NOTHING_OUTSIDE: Mapping[str, int] = {}


class Watcher:
    """Follows a run's batches.

    Args:
        engine: The run's; read between two chunks.
        first_minute: First minute that is played now.
        end_minute: The minute after the last.
        book: The account before, where the run is taken up again.

    Attributes:
        bars: How many were decided.
        minute: The newest that was decided.
        book: The account after it; None before the first.
    """

    def __init__(self, engine: Engine, first_minute: int, end_minute: int, book: Book | None = None) -> None:
        self._engine = engine
        self._first = first_minute
        self._end = end_minute
        self.book = book
        self._opening = book.equity if book else engine.run.settings.run.capital
        self._day = first_minute // MINUTES_PER_DAY
        self.bars = 0
        self.minute = first_minute - 1

    def see(self, batches: Sequence[BatchRecord]) -> None:
        """Take batches that have been decided."""
        for record in batches:
            self.bars += len(record.bars) // BAR_RECORD.itemsize
            if record.minute // MINUTES_PER_DAY != self._day and self.book is not None:
                self._day, self._opening = record.minute // MINUTES_PER_DAY, self.book.equity
            self.book, self.minute = record.book, record.minute

    def live(self) -> LiveView:
        """Return what the run looks like now."""
        run, equity = self._engine.run, self.equity
        return LiveView(
            minute=self.minute,
            equity=equity,
            day=self.day,
            mode=run.trading.mode,
            positions=self.positions(),
            trades=tuple(
                RecentTrade(t.exit_minute, run.names[t.instrument], t.side, t.net_bps, t.exit_kind)
                for t in reversed(run.last_trips.recent)
            ),
            skill=run.skill.figures(),
            alarms=tuple(run.alarms.standing.values()),
            done=(self.minute + 1 - self._first) / max(1, self._end - self._first),
        )

    def summary(
        self, first_minute: int, seconds: float | None, outside: Mapping[str, int] = NOTHING_OUTSIDE
    ) -> RunSummary:
        """Return what the run came to.

        Args:
            first_minute: The run's first decided minute, which may lie before what was played now.
            seconds: How long playing took.
            outside: By instrument, bars of the files that lie outside its sessions.
        """
        run = self._engine.run
        coverage = run.coverage.figures()
        return RunSummary(
            name=run.settings.run.name,
            quote=run.settings.run.quote,
            first_minute=first_minute,
            last_minute=self._engine.minute,
            bars=self.bars,
            seconds=seconds,
            capital=run.settings.run.capital,
            equity=self.equity,
            drawdown=run.drawdown.figures,
            trades=run.trades.figures(),
            costs=run.costs.totals(),
            skill=run.skill.figures(),
            funnel=run.funnel.counts(),
            coverage=coverage,
            catch_up=run.skill.catch_up_figures(),
            health=run.health.figures(),
            edges=run.edges.figures(),
            groups=run.groups.figures(),
            positions=self.positions(),
            alarms=alarm_tables(run.alarms),
            facts={
                **missing_facts(coverage, outside),
                **run.desk.facts(),
                "model": run.model.version,
                "digest": self._engine.digest.hex(),
            },
        )

    @property
    def equity(self) -> Banded:
        """Equity after the newest minute, with its band."""
        book, capital = self.book, self._engine.run.settings.run.capital
        return Banded(book.equity, book.best, book.worst) if book else Banded(capital, capital, capital)

    @property
    def day(self) -> Decimal:
        """Change of equity since the day's (UTC) first minute."""
        return minus(self.equity.expected, self._opening)

    def positions(self) -> tuple[HeldPosition, ...]:
        """Return what is held, by instrument."""
        run = self._engine.run
        account, ages = run.desk.account, run.desk.mark_ages()
        return tuple(
            HeldPosition(
                instrument=run.names[i],
                quantity=position.quantity,
                weight=account.weights.get(i, 0.0),
                unrealised=minus(times(position.quantity, account.marks[i].price), position.basis),
                mark_age_minutes=ages[run.names[i]],
            )
            for i, position in sorted(account.ledger.positions.items())
        )
