"""One way to people, over a real webhook: delivered in order, tried again, and dropped where it is dead."""

import time

import pytest

from adapters.notify import channel as channel_module
from adapters.notify.channel import MOST_WAITING, Channel, Message, channels_of
from daemon.errors import SettingsError
from tests.webhooks import Webhook

# A plugin of apprise's imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SOON_S = 10.0
"""Whoever waited for an address that hangs would wait a second a message."""


def begun(webhook: Webhook) -> Channel:
    (channel,) = channels_of(webhook.address, lambda *_: None)
    channel.start()
    return channel


def test_messages_are_delivered_in_order() -> None:
    with Webhook() as webhook:
        channel = begun(webhook)
        for number in range(20):
            channel.put(Message(f"title {number}", "text", is_bad=number == 0))
        channel.close(30.0)
    assert webhook.titles == [f"title {number}" for number in range(20)]
    assert [message["type"] for message in webhook.taken[:2]] == ["warning", "info"]
    assert webhook.taken[0]["message"] == "text"
    assert channel.drops == 0


def test_a_message_that_was_refused_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "PAUSES_S", (0.0, 0.01, 0.01))
    with Webhook(answers=(500, 503, 200, 200)) as webhook:
        channel = begun(webhook)
        channel.put(Message("first", "text", is_bad=True))
        channel.put(Message("second", "text", is_bad=True))
        webhook.wait(lambda titles: titles == ["first"] * 3 + ["second"])
        channel.close(30.0)
    assert channel.drops == 0


def test_a_channel_that_hangs_costs_its_own_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "PAUSES_S", (0.0,))
    failed: list[str] = []
    with Webhook(hangs=True) as hanging, Webhook() as well:
        channels = channels_of(f"{hanging.address}\n{well.address}", lambda name, _: failed.append(name))
        for channel in channels:
            channel.start()
        began_s = time.monotonic()
        for number in range(MOST_WAITING + 50):
            for channel in channels:
                channel.put(Message(f"title {number}", "text", is_bad=True))
        took_s = time.monotonic() - began_s
        well.wait(lambda titles: len(titles) >= MOST_WAITING)
        began_s = time.monotonic()
        channels[0].close(0.1)
        closed_s = time.monotonic() - began_s
        channels[1].close(30.0)
    assert took_s < SOON_S
    assert closed_s < SOON_S
    assert channels[0].drops >= 49
    # Its failure is told once, by its number: addresses hold secrets.
    assert failed in ([], ["1 (JSON)"])


def test_an_address_that_is_none_is_named_by_its_number_alone() -> None:
    with pytest.raises(SettingsError, match=r"notify\.urls: address 2 is none") as failed:
        channels_of("json://localhost nosuch://secret-token", lambda *_: None)
    assert "secret" not in str(failed.value)
