"""Work that goes on beside a block: it ends with the block, and fails aloud as soon as it fails."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have work done while inside, and wait for its end after; its failure does not end the block."""
    task = begun(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begin work that somebody else ends; until then a failure is told like that of work beside a block."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_failure)
    return task


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        work = task.get_coro()
        name = getattr(work, "__qualname__", str(work))
        structlog.get_logger().error("task_failed", task=name, exc_info=error)
