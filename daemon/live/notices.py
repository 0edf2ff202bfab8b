"""Which notices are sent, and when: not the same again too soon, not too many, the rest as one summary."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from daemon.settings import NoticeKind, NotifySettings

HOUR_S: Final = 3600.0
SUBJECTS_MOST: Final = 10_000
"""Subjects that are remembered; then the oldest is forgotten, and may be told of again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are told.

    Attributes:
        kind: What it is about.
        subject: What of that kind: the same subject is not told again too soon.
        title: In a few words.
        text: What happened.
        is_bad: Whether somebody may have to do something.
    """

    kind: NoticeKind
    subject: str
    title: str
    text: str
    is_bad: bool = True


class Pacing:
    """Lets notices through at the pace that the settings allow.

    Args:
        rules: How often.
    """

    def __init__(self, rules: NotifySettings) -> None:
        self._rules = rules
        self._told_s: dict[tuple[str, str], float] = {}
        self._sent_s: deque[float] = deque()
        self._waiting: Counter[str] = Counter()

    def take(self, notice: Notice, now_s: float) -> Iterator[Notice]:
        """Yield the notice if it may be sent now.

        Args:
            notice: What is to be told.
            now_s: Seconds that never go back.
        """
        if notice.kind not in self._rules.events:
            return
        about = (notice.kind, notice.subject)
        last_s = self._told_s.get(about)
        if last_s is not None and now_s < last_s + 60.0 * self._rules.repeat_minutes:
            return
        self._told_s.pop(about, None)
        self._told_s[about] = now_s
        if len(self._told_s) > SUBJECTS_MOST:
            del self._told_s[next(iter(self._told_s))]
        # While others wait, the next one that may be sent is the summary of them all.
        if self._waiting or not self._has_room(now_s):
            self._waiting[notice.title] += 1
            return
        self._sent_s.append(now_s)
        yield notice

    def due(self, now_s: float) -> Iterator[Notice]:
        """Yield the summary of what waited, if it may be sent now."""
        if self._waiting and self._has_room(now_s):
            n = self._waiting.total()
            lines = [f"{count} x {title}" for title, count in self._waiting.most_common()]
            self._waiting.clear()
            self._sent_s.append(now_s)
            text = "\n".join(lines)
            yield Notice("run", "summary", f"{n} more in the last hour", text)

    def _has_room(self, now_s: float) -> bool:
        while self._sent_s and self._sent_s[0] <= now_s - HOUR_S:
            self._sent_s.popleft()
        return len(self._sent_s) < self._rules.max_per_hour
