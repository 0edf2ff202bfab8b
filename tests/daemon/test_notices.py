"""Which notices are sent, and when."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.live import Notice, Pacing
from daemon.live.notices import HOUR_S
from daemon.settings import NotifySettings

RULES = NotifySettings(repeat_minutes=10, max_per_hour=3)


def alarm(subject: str) -> Notice:
    return Notice("alarm", subject, f"alarm {subject}", "")


def test_the_same_subject_is_told_again_only_after_its_time() -> None:
    pacing = Pacing(RULES)
    assert list(pacing.take(alarm("a"), 0.0)) == [alarm("a")]
    assert list(pacing.take(alarm("a"), 599.0)) == []
    assert list(pacing.take(alarm("b"), 599.0)) == [alarm("b")]
    assert list(pacing.take(alarm("a"), 600.0)) == [alarm("a")]


def test_what_nobody_wants_to_hear_is_not_told() -> None:
    pacing = Pacing(NotifySettings(events=("feed",)))
    assert list(pacing.take(alarm("a"), 0.0)) == []
    assert list(pacing.take(Notice("feed", "binance", "lost", ""), 0.0))


def test_too_many_in_an_hour_wait_and_come_as_one_summary() -> None:
    pacing = Pacing(RULES)
    sent = [one for at in range(5) for one in pacing.take(alarm(f"{at}"), 60.0 * at)]
    assert [one.subject for one in sent] == ["0", "1", "2"]
    assert list(pacing.take(alarm("0"), 700.0)) == []
    assert list(pacing.due(HOUR_S - 1)) == []
    (summary,) = pacing.due(HOUR_S)
    assert summary.title == "3 more in the last hour"
    assert summary.text == "1 x alarm 3\n1 x alarm 4\n1 x alarm 0"
    assert list(pacing.due(HOUR_S)) == []
    # The summary is one of the next hour's.
    later = [one for at in range(5) for one in pacing.take(alarm(f"{at} later"), HOUR_S + 121.0)]
    assert len(later) == 2


@given(st.lists(st.tuples(st.floats(0.0, 900.0), st.sampled_from("abcdefgh")), min_size=1, max_size=120))
def test_no_hour_has_more_than_its_limit_and_nothing_that_waited_is_forgotten(
    steps: list[tuple[float, str]],
) -> None:
    pacing, now_s = Pacing(RULES), 0.0
    sent: list[tuple[float, Notice]] = []
    for wait_s, subject in steps:
        now_s += wait_s
        sent += [(now_s, one) for one in (*pacing.due(now_s), *pacing.take(alarm(subject), now_s))]
    sent += [(now_s + 2 * HOUR_S, one) for one in pacing.due(now_s + 2 * HOUR_S)]
    moments = [at for at, _ in sent]
    assert all(sum(at - HOUR_S < other <= at for other in moments) <= 3 for at in moments)
    assert not list(pacing.due(now_s + 9 * HOUR_S))
    told = {line.partition(" x alarm ")[2] for _, one in sent for line in one.text.splitlines()}
    told |= {one.subject for _, one in sent}
    assert {subject for _, subject in steps} <= told
