"""Drives a storm: an exchange in this process, the daemon in others, faults and kills at their moments."""

import asyncio
import math
import signal
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import Final

from adapters.simulator.exchange import SimulatedExchange
from tests.soak.life import Life
from tests.soak.storm import Stop, Storm

FAST: Final = math.inf
"""As fast as the daemon follows."""

SLOW: Final = 20.0
"""While the daemon starts, which takes real seconds."""

SAMPLE_MS: Final = 1_800_000
START_WITHIN_S: Final = 600.0
KILL_AFTER_S: Final = 60.0


class Director:
    """Follows the exchange's time and lets the storm happen.

    Args:
        exchange: In this process, served.
        storm: What happens.
        words: Of the daemon's command line.
        folder: Where its logs go.
    """

    def __init__(self, exchange: SimulatedExchange, storm: Storm, words: list[str], folder: Path) -> None:
        self.lives: list[Life] = []
        self._exchange = exchange
        self._words = words
        self._folder = folder
        self._strikes = deque(storm.strikes)
        self._stops = deque(storm.stops)
        self._start_ms: int | None = None
        self._sampled_ms = 0
        self._asked = 0
        self._life_began_s = 0.0
        self._kill_at_s: float | None = None
        self._ending: asyncio.Task[None] | None = None

    async def run(self, last_minute: int) -> None:
        """Run the exchange to the end of `last_minute` under the storm, then stop the daemon by SIGTERM."""
        with self._exchange.pace.following(self._step):
            try:
                self._begin()
                passing = asyncio.ensure_future(self._exchange.run(last_minute))
                watching = asyncio.ensure_future(self._watch())
                await asyncio.wait((passing, watching), return_when=asyncio.FIRST_COMPLETED)
                for task in (watching, passing):
                    if task.done():
                        task.result()
                    task.cancel()
                if self._ending is not None:
                    await self._ending
                await self._terminate(self.lives[-1])
            finally:
                if self.lives and self.lives[-1].process.poll() is None:
                    self.lives[-1].kill()

    async def _watch(self) -> None:
        """Fail when the daemon ends by itself, or does not come up."""
        while True:
            await asyncio.sleep(0.5)
            life = self.lives[-1]
            tail = life.log.read_text(encoding="utf-8", errors="replace")[-2_000:]
            if not life.ended_by and life.process.poll() is not None:
                raise RuntimeError(f"{life.log.name} ended with {life.process.returncode}: {tail}")
            waited_s = time.monotonic() - self._life_began_s
            if not life.ended_by and self._exchange.asked == self._asked and waited_s > START_WITHIN_S:
                raise RuntimeError(f"{life.log.name} does not connect: {tail}")

    def _begin(self) -> None:
        self._asked = self._exchange.asked
        self._exchange.pace.speed = SLOW
        self._life_began_s = time.monotonic()
        self.lives.append(Life.begin(self._words, self._folder / f"life-{len(self.lives):03d}.log"))

    async def _step(self, now_ms: int) -> None:
        """Do what is due."""
        while self._strikes and self._strikes[0].at_ms <= now_ms:
            await self._exchange.strike(self._strikes.popleft().fault)
        if self._start_ms is not None:
            if now_ms >= self._start_ms and self._ending is None:
                self._start_ms = None
                self._begin()
            return
        life = self.lives[-1]
        if self._exchange.asked > self._asked:
            self._exchange.pace.speed = FAST
        if self._kill_at_s is not None:
            if time.monotonic() - self._life_began_s >= self._kill_at_s:
                self._kill_at_s = None
                life.kill()
                self._start_ms = now_ms
        elif self._stops and self._stops[0].at_ms <= now_ms:
            await self._stop(self._stops.popleft(), life, now_ms)
        elif now_ms >= self._sampled_ms + SAMPLE_MS:
            self._sampled_ms = now_ms
            life.sample(now_ms)

    async def _stop(self, stop: Stop, life: Life, now_ms: int) -> None:
        life.sample(now_ms)
        if stop.by_kill:
            life.kill()
        else:
            self._ending = asyncio.ensure_future(self._terminate(life))
        self._start_ms = now_ms + stop.away_ms
        self._kill_at_s = stop.again_after_s or None
        self._exchange.pace.speed = FAST if stop.by_kill else SLOW

    async def _terminate(self, life: Life) -> None:
        """SIGTERM, and how long it takes."""
        life.sample(self._exchange.pace.now_ms)
        life.ended_by = "term"
        began = time.monotonic()
        life.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(life.process.wait, KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            life.kill()
        life.stop_s = time.monotonic() - began
        self._ending = None
        self._exchange.pace.speed = FAST
