"""The event loop's lateness is measured, also while it hangs."""

import asyncio
import time

from daemon.live.loop_lag import EVERY_S, LoopLag

HELD_UP_S = 0.3


async def test_a_loop_that_is_held_up_is_late_and_known_to_be_late_while_it_is() -> None:
    lag = LoopLag()
    assert lag.worst_s() == 0.0
    watching = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    assert lag.worst_s() < HELD_UP_S
    time.sleep(EVERY_S + HELD_UP_S)  # noqa: ASYNC251 - it is what is measured
    assert lag.worst_s() >= HELD_UP_S
    await asyncio.sleep(2 * EVERY_S)
    assert lag.worst_s() >= HELD_UP_S
    watching.cancel()
