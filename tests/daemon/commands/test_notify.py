"""Who is told of what: a notifier over a real webhook, beside a run in the state that a notice is about."""

import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from adapters.clock import SystemClock
from adapters.prometheus.server import MetricsServer
from daemon.__main__ import main
from daemon.commands._notify import Notifier, notifying, open_channels
from daemon.commands._reload import Reloaded
from daemon.errors import TapeError, UserError
from daemon.events import StateChange, TradingMode, VitalChange, VitalState
from daemon.live import Health, Onlookers
from daemon.settings import HealthSettings, NotifySettings, Settings
from tests.jump_clock import JumpClock
from tests.webhooks import Webhook

# A plugin of apprise's imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def settings_for(*webhooks: Webhook, **rules: object) -> Settings:
    urls = "\n".join(webhook.address for webhook in webhooks) or None
    return Settings.model_validate({"run": {"name": "eth"}, "notify": {"urls": urls, **rules}})


class Streams:
    """In the sequencer's place: what is lost is said by hand."""

    def __init__(self) -> None:
        self.lost = 0

    def in_session(self, now_ms: int) -> dict[str, tuple[int, int]]:
        return {"binance": (3, self.lost)}


class RunningSession:
    """In a session's place: what a notifier looks at."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.live = SimpleNamespace(sequencer=self.streams)
        self.models = SimpleNamespace(heard_by=[])
        self.reloader = SimpleNamespace(heard_by=[])
        run = SimpleNamespace(model=SimpleNamespace(version="7"), names=("a", "b"))
        self.engine = SimpleNamespace(run=run)


def vital(after: VitalState) -> VitalChange:
    return VitalChange(
        minute=5,
        vital="feature_drift",
        subject="features",
        before=VitalState.ALARM if after is VitalState.CLEAR else VitalState.CLEAR,
        after=after,
        value=0.3,
        bound=0.1,
        cause="return_60 has drifted",
        consequences="no_entry",
    )


async def test_everything_that_can_go_wrong_is_told_once_and_when_it_is_over() -> None:
    clock, health = JumpClock(0), Health(HealthSettings(), SystemClock())
    session: Any = RunningSession()
    with Webhook() as webhook, MetricsServer("127.0.0.1", 0, {}) as server:
        async with notifying(settings_for(webhook), health, clock, server) as notifier:
            notifier.attend(session)
            (see,) = notifier.joined(Onlookers()).sinks
            moved = StateChange(
                minute=5, before=TradingMode.NORMAL, after=TradingMode.FLATTEN, cause="drawdown 26 %"
            )
            for after in (VitalState.ALARM, VitalState.ALARM, VitalState.CLEAR):
                see([cast("Any", SimpleNamespace(vitals=[vital(after)], changes=[moved]))])
            session.models.heard_by[0]("8", "other features")
            for result in ("applied", "rejected", "rejected"):
                session.reloader.heard_by[0](Reloaded(result, "file", problems=("run.yaml:3: no",)))
            for reason in (None, TapeError("at postgresql://me:hunter2@db: the disk is full"), None):
                health.note_commit(reason)
                notifier.look()
            session.streams.lost = 2
            for minute in (0, 4, 5, 6):
                clock.set(60_000 * minute)
                notifier.look()
            session.streams.lost = 0
            notifier.look()
    assert webhook.titles == [
        f"papertape eth: {title}"
        for title in (
            "started",
            "alarm: feature_drift of features",
            "trading state flatten",
            "over: feature_drift of features",
            "model 8 refused",
            "settings rejected",
            "tape cannot be written",
            "over: tape cannot be written",
            "feed binance lost",
            "over: feed binance lost",
            "stopped",
        )
    ]
    texts = [message["message"] for message in webhook.taken]
    assert texts[1] == "return_60 has drifted\nconsequences: no_entry"
    assert texts[5] == "run.yaml:3: no\nThe old settings go on."
    assert "hunter2" not in texts[6]
    assert texts[8] == "2 of 3 instruments in session are lost for 5 minutes"
    (drops,) = (family for family in server.collect() if family.name == "papertape_sink_drops")
    assert [(sample.labels, sample.value) for sample in drops.samples] == [({"sink": "notify"}, 0.0)]


async def test_a_notice_that_cannot_be_made_is_counted_and_logged_once_and_the_run_goes_on() -> None:
    health, session = Health(HealthSettings(), SystemClock()), cast("Any", RunningSession())
    with Webhook() as webhook, MetricsServer("127.0.0.1", 0, {}) as server:
        async with notifying(settings_for(webhook), health, JumpClock(0), server) as notifier:
            notifier.attend(session)
            (see,) = notifier.joined(Onlookers()).sinks
            unknown = cast("Any", SimpleNamespace(vitals=[SimpleNamespace(after=None)], changes=[]))
            with structlog.testing.capture_logs() as lines:
                see([unknown])
                see([unknown])
            (drops,) = (family for family in server.collect() if family.name == "papertape_sink_drops")
    assert [(line["event"], line["sink"]) for line in lines] == [("sink_failed", "notify")]
    assert [(sample.labels, sample.value) for sample in drops.samples] == [({"sink": "notify"}, 2.0)]
    assert webhook.titles == ["papertape eth: started", "papertape eth: stopped"]


async def test_a_run_that_fails_is_told_of_with_its_reason() -> None:
    health = Health(HealthSettings(), SystemClock())
    with Webhook() as webhook, pytest.raises(TapeError):
        async with notifying(settings_for(webhook), health, JumpClock(0), None):
            raise TapeError("the disk is full")
    assert [(one["title"], one["message"]) for one in webhook.taken] == [
        ("papertape eth: ended by a failure", "the disk is full")
    ]


async def test_without_addresses_nothing_is_looked_at_and_nobody_told() -> None:
    health = Health(HealthSettings(), SystemClock())
    async with notifying(settings_for(), health, JumpClock(0), None) as notifier:
        assert isinstance(notifier, Notifier)
        assert notifier.joined(Onlookers()).sinks == ()


def test_a_test_message_goes_over_every_channel_and_says_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", "test"]) == 2
    assert "PAPERTAPE_NOTIFY__URLS" in capsys.readouterr().err
    with Webhook() as webhook, Webhook(answers=(500,)) as failing:
        monkeypatch.setenv("PAPERTAPE_NOTIFY__URLS", f"{webhook.address} {failing.address}")
        assert main(["notify", "test"]) == 1
        printed = capsys.readouterr()
        assert printed.out == "1 (JSON): taken\n2 (JSON): not taken\n"
        assert webhook.titles == failing.titles == ["papertape papertape: a test"]
        assert main(["notify", "test"]) == 0
    assert "secret-token" not in printed.out + printed.err


def test_an_address_that_is_none_ends_the_start_and_is_not_shown() -> None:
    settings = Settings(notify=NotifySettings.model_validate({"urls": "nosuch://secret-token"}))
    with pytest.raises(UserError, match=r"notify\.urls: address 1") as failed:
        open_channels(settings)
    assert "secret-token" not in str(failed.value)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.delitem(sys.modules, "adapters.notify.channel", raising=False)
    with pytest.raises(UserError, match=r"papertape\[notify\]"):
        open_channels(Settings(notify=NotifySettings.model_validate({"urls": "json://127.0.0.1"})))
