"""Who is lost and who is back, without a socket or a clock."""

from random import Random

from adapters.exchanges.pacing import Backoff
from adapters.exchanges.watch import Watch
from daemon.events import FeedLost, FeedRestored


def watch() -> Watch:
    watched = Watch("v", ["v:A", "v:B"], quiet_after_s=10.0, now_s=0.0)
    watched.up(["v:A", "v:B"], 0.0)
    return watched


def test_nobody_is_doubted_who_has_not_had_time_to_speak() -> None:
    watched = watch()
    assert watched.doubted(9.9) == ()
    assert watched.doubted(10.0) == ("v:A", "v:B")
    watched.spoke("v:A", 9.0)
    assert watched.doubted(10.0) == ("v:B",)
    watched.up(["v:B"], 10.0)
    assert watched.doubted(18.9) == ()


def test_who_was_never_connected_is_waited_for_and_not_doubted() -> None:
    assert Watch("v", ["v:A"], quiet_after_s=10.0, now_s=0.0).doubted(100.0) == ()


def test_a_loss_is_told_once_and_names_whom_it_is_news_about() -> None:
    watched = watch()
    assert watched.lose(["v:A"], "quiet") == FeedLost(feed="v", instruments=("v:A",), reason="quiet")
    assert watched.down(["v:A", "v:B"], "cut") == FeedLost(feed="v", instruments=("v:B",), reason="cut")
    assert watched.down(["v:A", "v:B"], "cut again") is None
    assert watched.lost == ("v:A", "v:B")


def test_the_unconnected_and_the_lost_are_not_doubted() -> None:
    watched = watch()
    watched.lose(["v:A"], "quiet")
    assert watched.doubted(100.0) == ("v:B",)
    watched.down(["v:B"], "cut")
    assert watched.doubted(200.0) == ()


def test_back_is_who_spoke_after_it_was_lost_on_an_open_connection() -> None:
    watched = watch()
    watched.spoke("v:A", 1.0)
    watched.down(["v:A", "v:B"], "cut")
    assert not watched.is_back("v:A")
    watched.up(["v:A", "v:B"], 2.0)
    assert not watched.is_back("v:A")
    assert watched.spoke("v:A", 3.0)
    assert not watched.spoke("v:A", 4.0), "only the first word is news"
    assert watched.is_back("v:A")
    assert not watched.is_back("v:B")
    watched.down(["v:A"], "cut again")
    assert not watched.is_back("v:A")


def test_a_return_is_told_once() -> None:
    watched = watch()
    watched.lose(["v:A", "v:B"], "quiet")
    assert watched.restore(["v:A"]) == FeedRestored(feed="v", instruments=("v:A",))
    assert watched.restore(["v:A"]) is None
    assert watched.lost == ("v:B",)


def test_waits_double_up_to_a_limit_with_half_of_each_left_to_chance() -> None:
    backoff = Backoff(Random(1), first_s=1.0, longest_s=8.0)
    waits = [backoff.next_s() for _ in range(30)]
    for wait, most in zip(waits, [1.0, 2.0, 4.0, *[8.0] * 27], strict=True):
        assert most / 2 <= wait <= most
    assert len(set(waits)) == 30
    backoff.succeeded()
    assert backoff.next_s() <= 1.0
    assert [Backoff(Random(1)).next_s() for _ in range(2)] == [Backoff(Random(1)).next_s()] * 2
