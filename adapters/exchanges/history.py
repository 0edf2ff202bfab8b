"""Bars of the past over REST: page by page, at the venue's pace, waiting as long as the venue asks."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import aiohttp

from adapters.exchanges.connection import described
from adapters.exchanges.pacing import Backoff, Pacer
from adapters.exchanges.reading import excerpt
from adapters.exchanges.retry_after import epoch_s_of, retry_after_s
from adapters.exchanges.venue import HistoryPage, HistoryRefusedError, HistoryRequest, Venue
from daemon.errors import FeedError, HistoryTooOldError
from daemon.feed import BarClosed, FrameRefused
from daemon.ports import LiveClock

MAX_BODY_BYTES: Final = 8 << 20
SLOW_DOWN: Final = frozenset((418, 429))
"""418 is Binance's: banned for going on after 429, for as long as `Retry-After` says."""
TOO_MANY_ATTEMPTS: Final = 6


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a history is waited for.

    Attributes:
        answer_s: For one answer, connecting included.
        attempts: Failures in a row after which the venue counts as not answering.
        first_wait_s: Longest wait after the first failure; it doubles.
        longest_wait_s: Longest wait of all; a venue that asks for more is given up for now.
    """

    answer_s: float = 20.0
    attempts: int = TOO_MANY_ATTEMPTS
    first_wait_s: float = 1.0
    longest_wait_s: float = 300.0


class _TryAgainError(Exception):
    """An answer that may be another later; `wait_s` is what the venue asks for."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class History:
    """Fetches a venue's final bars.

    **Absent is not unfetched**: a page is asked for by its first and last minute, and no page is larger than
    one answer can hold, so what an answer leaves out does not exist. Nothing is asked for twice because it
    was empty. **Forming is not final**: a bar counts if its minute was over when the answer was made, by the
    answer's own `Date` as well as by the clock here.

    Args:
        venue: Whose.
        clock: The machine's.
        chance: For waits.
        on_refused: Told of rows that cannot be bars.
        patience: How long to wait.
    """

    def __init__(
        self,
        venue: Venue,
        clock: LiveClock,
        chance: Random,
        on_refused: Callable[[FrameRefused], None],
        patience: Patience | None = None,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._chance = chance
        self._on_refused = on_refused
        self._patience = patience or Patience()
        self._pacer = Pacer(1.0 / venue.history.requests_per_s, clock)

    def session(self) -> aiohttp.ClientSession:
        """Make a session to fetch with; whoever makes it closes it."""
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._patience.answer_s), trust_env=True
        )

    async def fetch(
        self, session: aiohttp.ClientSession, symbol: str, first_minute: int, last_minute: int
    ) -> list[BarClosed]:
        """Return the final bars of [first_minute, last_minute], ascending; minutes without one are absent.

        Raises:
            HistoryTooOldError: The venue keeps nothing that old.
            FeedError: The venue refuses for good, or does not answer.
        """
        bars: list[BarClosed] = []
        start = first_minute
        while start <= last_minute:
            end = min(last_minute, start + self._venue.history.minutes_per_page - 1)
            page, now_minute = await self._page(session, symbol, start, end)
            if page.reach is not None and page.reach > start:
                raise HistoryTooOldError(f"{self._venue.name}:{symbol}", page.reach)
            for refusal in page.refused:
                self._on_refused(refusal)
            bars += [bar for bar in page.bars if start <= bar.minute <= min(end, now_minute - 1)]
            start = end + 1
        return bars

    async def _page(
        self, session: aiohttp.ClientSession, symbol: str, first_minute: int, last_minute: int
    ) -> tuple[HistoryPage, int]:
        """Return one page, and the minute that ran when it was made."""
        backoff = Backoff(self._chance, self._patience.first_wait_s, self._patience.longest_wait_s)
        attempt = 1
        while True:
            await self._pacer.turn()
            now_minute = int(self._clock.epoch_s() // 60)
            request = self._venue.history_request(symbol, first_minute, last_minute, now_minute)
            try:
                return await self._ask(session, request, symbol, now_minute)
            except _TryAgainError as problem:
                if attempt >= self._patience.attempts or problem.wait_s > self._patience.longest_wait_s:
                    raise self._error(symbol, f"{problem}; gave up after attempt {attempt}") from problem
                self._pacer.hold(problem.wait_s)
                await self._clock.sleep(0.0 if problem.wait_s else backoff.next_s())
            attempt += 1

    async def _ask(
        self, session: aiohttp.ClientSession, request: HistoryRequest, symbol: str, now_minute: int
    ) -> tuple[HistoryPage, int]:
        """Ask once.

        Raises:
            _TryAgainError: The answer may be another later.
            FeedError: It will not.
        """
        url = self._venue.history.url.rstrip("/") + request.path
        try:
            async with session.get(url, params=request.query) as answer:
                body = await self._body(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise _TryAgainError(described(problem)) from problem
        date = answer.headers.get("Date")
        wait_s = retry_after_s(answer.headers.get("Retry-After"), date)
        if answer.status in SLOW_DOWN or answer.status >= 500:
            raise _TryAgainError(f"HTTP status {answer.status}", wait_s)
        try:
            page = self._venue.read_history(symbol, body)
        except HistoryRefusedError as refusal:
            if refusal.passing:
                raise _TryAgainError(str(refusal), wait_s) from refusal
            raise self._error(symbol, f"{refusal} (HTTP status {answer.status})") from refusal
        if answer.status != 200:
            raise self._error(symbol, f"HTTP status {answer.status}: {excerpt(body)}")
        answered_s = epoch_s_of(date)
        return page, now_minute if answered_s is None else min(now_minute, int(answered_s // 60))

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _TryAgainError(f"an answer of more than {MAX_BODY_BYTES} bytes")
        return bytes(body)

    def _error(self, symbol: str, reason: str) -> FeedError:
        return FeedError(f"{self._venue.name} gives no history of {symbol}: {reason}")
