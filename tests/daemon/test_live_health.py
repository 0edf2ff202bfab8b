"""Health: what progress is, what ready is, and what neither a slow feed nor a closed market may spoil."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from daemon.bars.sequencer import Sequencer
from daemon.diagnostics import Diagnostics
from daemon.errors import TapeError
from daemon.events import BatchRecord, FeedLost, FeedRestored, Instrument, Snapshot
from daemon.feed import FrameIgnored
from daemon.live import Health, LiveRun, all_well, ills
from daemon.ports import Clock
from daemon.settings import HealthSettings
from tests.daemon.test_live import Played
from tests.jump_clock import JumpClock
from tests.runs import SETTINGS, fresh_engine

RULES = HealthSettings(stuck_seconds=60, stale_seconds=300)
NAMES = ("venue:A", "venue:B")


class Machine(Clock):
    """The machine's time, set by hand."""

    def __init__(self) -> None:
        self.at_s = 1_000.0

    def monotonic_s(self) -> float:
        return self.at_s


class Listening:
    """A run that listens to one venue, and its health, both moved by hand."""

    def __init__(self, first_minute: int, calendar: str = "24/7") -> None:
        self.now_ms = first_minute * 60_000
        self.machine = Machine()
        self.health = Health(RULES, self.machine)
        instruments = [Instrument(name, "USDT", Decimal(1), Decimal(1), calendar) for name in NAMES]
        self.sequencer = Sequencer(SETTINGS, instruments, {"venue": NAMES}, first_minute, self.now_ms)
        clock = JumpClock(self.now_ms)
        self.live = LiveRun(fresh_engine(), self.sequencer, {}, clock, SETTINGS.sealing, lambda *_: None)

    def attend(self) -> None:
        self.health.attend(self.live, lambda: "7")
        self.pass_time(0)

    def pass_time(self, seconds: int) -> None:
        """A second is heard of both; what the sequencer wants of history nobody answers."""
        for _ in range(seconds):
            self.now_ms += 1_000
            self.machine.at_s += 1
            self.sequencer.advance(self.now_ms)
            self.sequencer.drain()
            self.health.beat(self.now_ms)
        self.health.beat(self.now_ms)

    def ills(self) -> list[str]:
        return ills(self.health.readiness())


def test_a_process_that_warms_up_makes_progress_and_is_not_ready() -> None:
    run = Listening(28_400_000)
    assert all_well(run.health.progress())
    assert run.ills() == [
        "warm: warming up: no minute can be decided yet",
        "model: none loaded yet",
        "feed: not listened to yet",
    ]
    run.attend()
    assert run.ills() == []
    assert run.health.readiness()["model"].reason == "7"


def test_a_loop_that_does_not_beat_is_stuck_after_its_bound_and_well_with_its_next_beat() -> None:
    run = Listening(28_400_000)
    run.machine.at_s += 60
    assert all_well(run.health.progress())
    run.machine.at_s += 0.1
    assert ills(run.health.progress()) == ["loop: its last beat was 60.1 s ago"]
    run.health.beat(run.now_ms)
    assert all_well(run.health.progress())


def test_lost_streams_are_not_ready_after_the_bound_and_ready_once_one_delivers() -> None:
    run = Listening(28_400_000)
    run.attend()
    run.sequencer.take("venue", FeedLost(feed="venue", instruments=(), reason="cut"), run.now_ms)
    run.pass_time(300)
    assert run.ills() == []
    run.pass_time(2)
    assert run.ills() == ["feed: every stream is lost, for 301 s"]
    assert all_well(run.health.progress())
    run.sequencer.take("venue", FeedRestored(feed="venue", instruments=(NAMES[0],)), run.now_ms)
    run.pass_time(1)
    assert run.ills() == []


def test_a_run_that_is_behind_makes_progress_and_is_not_ready() -> None:
    run = Listening(28_400_000)
    run.attend()
    run.now_ms += 3_600_000
    run.machine.at_s += 1
    run.sequencer.take("venue", FrameIgnored("venue", "pong"), run.now_ms)
    run.health.beat(run.now_ms)
    assert all_well(run.health.progress())
    assert run.ills() == ["feed: behind: the next minute to decide ended 3540 s ago"]


def test_a_closed_market_is_not_stale_however_long_its_streams_are_lost() -> None:
    # Friday 2024-01-05, 21:00 UTC: New York has just closed.
    run = Listening(28_408_140, "XNYS")
    run.attend()
    run.sequencer.take("venue", FeedLost(feed="venue", instruments=(), reason="cut"), run.now_ms)
    run.pass_time(4_000)
    assert run.ills() == []
    # Monday 14:30: the stream is still lost, and now it counts.
    run.now_ms = (28_408_140 + 3 * 1_440 - 390) * 60_000
    run.pass_time(302)
    assert run.ills() == ["feed: every stream is lost, for 301 s"]


def test_a_tape_that_could_not_be_written_is_not_ready_until_it_is_written() -> None:
    problem: list[str] = []
    health = Health(RULES, Machine(), lambda: problem[0] if problem else None)
    health.note_commit(TapeError("the disk is full"))
    assert health.readiness()["tape"].reason == "the last commit failed: the disk is full"
    health.note_commit()
    assert health.readiness()["tape"].ok
    problem.append("0 bytes are free")
    assert health.readiness()["tape"].reason == "0 bytes are free"


def test_a_run_that_waits_for_its_tapes_server_is_not_stuck_and_not_ready() -> None:
    run = Listening(28_400_000)
    run.attend()
    run.live.step_since_s = run.machine.at_s
    run.health.note_outage("the server went away")
    run.pass_time(90)
    assert all_well(run.health.progress())
    assert run.health.progress()["engine"].reason == "waits for the tape's server"
    assert run.health.readiness()["tape"].reason == "the server went away"
    run.health.note_outage(None)
    assert run.health.readiness()["tape"].ok
    assert ills(run.health.progress()) == ["engine: in the same step for 90.0 s"]


def test_a_run_that_stops_makes_progress_and_is_not_ready() -> None:
    run = Listening(28_400_000)
    run.attend()
    run.health.stop()
    assert run.ills() == ["warm: stopping"]
    assert all_well(run.health.progress())


@dataclass
class Hanging(Played):
    """Its tape does not come back from the commit of one batch until it is let go."""

    hangs_at: int = 10
    reached: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def commit(
        self, batches: Sequence[BatchRecord], snapshot: Snapshot | None, diagnostics: Diagnostics
    ) -> None:
        if batches and batches[-1].batch == self.hangs_at:
            self.reached.set()
            assert self.let_go.wait(60)
        super().commit(batches, snapshot, diagnostics)


async def test_an_engine_that_hangs_is_stuck_while_the_loop_beats_and_well_when_it_goes_on() -> None:
    hanging = Hanging(n_minutes=20)
    machine = Machine()
    health = Health(stuck_after(0.2), machine)
    health.attend(hanging.live, lambda: "1")
    playing = asyncio.ensure_future(hanging.play())
    try:
        await asyncio.to_thread(hanging.reached.wait, 60)
        assert hanging.live.step_since_s is not None
        machine.at_s = hanging.live.step_since_s + 0.1
        health.beat(hanging.clock.now_ms())
        assert all_well(health.progress())
        machine.at_s += 0.2
        health.beat(hanging.clock.now_ms())
        (ill,) = ills(health.progress())
        assert ill.startswith("engine: in the same step for 0.")
    finally:
        hanging.let_go.set()
        await playing
    health.beat(hanging.clock.now_ms())
    assert all_well(health.progress())
    assert hanging.committed == list(range(1, 21))


def stuck_after(seconds: float) -> HealthSettings:
    return RULES.model_copy(update={"stuck_seconds": seconds})
