"""Work beside a block: it ends with it, and fails aloud."""

import asyncio

import structlog

from daemon.commands._task_beside import beside


async def test_what_fails_is_told_at_once_and_the_block_goes_on() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as lines:
        async with beside(fails()):
            for _ in range(3):
                await asyncio.sleep(0)  # turns of the loop: to begin, to fail, to be told of
            told = list(lines)
    (line,) = lines
    assert told == lines
    assert (line["event"], line["log_level"]) == ("task_failed", "error")
    assert line["task"].endswith("fails")
    assert isinstance(line["exc_info"], ZeroDivisionError)


async def test_it_has_ended_when_the_block_has_and_nothing_is_told_of_that() -> None:
    ended = []

    async def lasts() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # ending takes a turn of the loop
            ended.append("lasts")

    async def ends() -> None:
        ended.append("ends")

    with structlog.testing.capture_logs() as lines:
        async with beside(lasts()), beside(ends()):
            await asyncio.sleep(0)  # a turn of the loop: it begins
    assert ended == ["ends", "lasts"]
    assert lines == []


async def test_what_fails_while_it_is_ended_is_told_too() -> None:
    async def fails_at_its_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    with structlog.testing.capture_logs() as lines:
        async with beside(fails_at_its_end()):
            await asyncio.sleep(0)  # a turn of the loop: it begins
    assert [line["event"] for line in lines] == ["task_failed"]
