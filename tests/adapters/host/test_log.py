"""The log: console for people, JSON lines for machines, nothing secret in either."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from adapters.host.log import Format, bind, configure_log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_off_a_terminal_every_line_is_json_with_level_and_utc_time() -> None:
    stream = io.StringIO()
    configure_log("info", "auto", stream)
    structlog.get_logger("x").info("sealed", bars=3)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["bars"]) == ("sealed", "info", 3)
    assert line["timestamp"].endswith("Z")


def test_on_a_terminal_lines_are_for_people() -> None:
    stream = Terminal()
    configure_log("info", "auto", stream)
    structlog.get_logger().info("sealed", bars=3)
    assert "sealed" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("form", "stream"), [("json", Terminal()), ("console", io.StringIO())])
def test_a_form_that_was_asked_for_is_taken_wherever_the_log_goes(form: Format, stream: io.StringIO) -> None:
    configure_log("info", form, stream)
    structlog.get_logger().info("sealed")
    assert stream.getvalue().startswith("{") == (form == "json")


def test_lines_carry_run_minute_in_utc_and_instrument() -> None:
    stream = io.StringIO()
    configure_log("info", "json", stream)
    bind(run="eth")
    structlog.get_logger().info("filled", minute=28_570_000, instrument="binance:BTCUSDT")
    (line,) = lines(stream)
    # 28,570,000 x 60 s = 1,714,200,000 s, which `date -u -d @1714200000` shows as below.
    assert (line["run"], line["minute"], line["instrument"]) == (
        "eth",
        "2024-04-27T06:40:00Z",
        "binance:BTCUSDT",
    )


def test_lines_below_the_level_are_left_out_and_a_second_set_up_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_log("debug", "json", first)
    configure_log("warning", "json", second)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(second)] == ["loud"]
    assert first.getvalue() == ""


def test_what_is_secret_by_type_name_or_address_is_masked() -> None:
    for form in ("json", "console"):
        stream = io.StringIO()
        configure_log("info", form, stream)
        structlog.get_logger().info(
            "connecting to postgresql://me:hunter2@db/tape",
            key=SecretStr("hunter2"),
            api_key="hunter2",
            mqtt_password="hunter2",  # noqa: S106 - what must not be seen
            url="mqtts://me:hunter2@broker:8883",
        )
        assert "hunter2" not in stream.getvalue()
        assert "postgresql://me:" in stream.getvalue()


def test_libraries_log_in_the_same_form_from_warnings_on() -> None:
    stream = io.StringIO()
    configure_log("info", "json", stream)
    logging.getLogger("mlflow.store").info("chatter")
    logging.getLogger("alembic").warning("careful with %s", "that")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("careful with that", "warning")


def test_numbers_that_json_cannot_say_do_not_break_a_line() -> None:
    stream = io.StringIO()
    configure_log("info", "json", stream)
    structlog.get_logger().info("odd", value=float("nan"), of=object)
    (line,) = lines(stream)
    assert line["value"] is None


def test_a_failure_keeps_its_traceback_in_both_forms() -> None:
    for form in ("json", "console"):
        stream = io.StringIO()
        configure_log("info", form, stream)
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            structlog.get_logger().exception("failed")
        assert "ZeroDivisionError" in stream.getvalue()
        assert "test_log.py" in stream.getvalue()
