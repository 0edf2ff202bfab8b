"""The asyncio shell around the engine: threads, bounded look-ahead, and an end between two batches.

The engine works on one thread of its own, so that the event loop stays free. Scores that depend on sealed
inputs alone are computed one chunk ahead on a second thread: LightGBM releases the interpreter while the
engine's online learner holds it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

from daemon.engine import Engine, Outcome
from daemon.events import AnyEvent, BatchRecord, Minutes, Snapshot
from daemon.inputs import Chunk

Commit = Callable[[Sequence[BatchRecord], Snapshot | None], None]
"""Makes a group of batches durable, with the snapshot after its last one where there is one."""

Sink = Callable[[Sequence[BatchRecord]], None]
"""Sees batches after they are durable. Runs on the event loop: it must return at once and must not raise."""

Timed = Callable[[str], AbstractContextManager[object]]
"""Returns a context whose duration counts for the stage of that name. For any thread."""


def untimed(_stage: str) -> AbstractContextManager[object]:
    """Measure nothing."""
    return nullcontext()


def outcomes(
    engine: Engine, inputs: Iterator[AnyEvent | Minutes], trees: Executor, timed: Timed = untimed
) -> Iterator[tuple[Sequence[BatchRecord], Snapshot | None]]:
    """Drive the engine over `inputs`; yield what it decided, chunk by chunk, with snapshots that are due.

    The scores of a chunk are computed on `trees` while the chunk before it is being decided. `timed` measures
    the stages `prepare`, `score` and `process`.
    """

    def score(chunk: Chunk) -> Chunk:
        with timed("score"):
            return engine.score(chunk)

    def process(scoring: Future[Chunk]) -> Outcome:
        scored = scoring.result()
        with timed("process"):
            return engine.process(scored)

    ahead = None
    for item in inputs:
        if not isinstance(item, Minutes):
            if ahead is not None:
                yield process(ahead)
                ahead = None
            engine.apply(item)
            continue
        for part in engine.parts(item):
            with timed("prepare"):
                prepared = engine.prepare(part)
            scoring = trees.submit(score, prepared)
            if ahead is not None:
                yield process(ahead)
            ahead = scoring
    if ahead is not None:
        yield process(ahead)


async def play(
    engine: Engine,
    inputs: Iterator[AnyEvent | Minutes],
    commit: Commit,
    sinks: Sequence[Sink] = (),
    stop: asyncio.Event | None = None,
    timed: Timed = untimed,
) -> bool:
    """Run the engine over `inputs` to their end, or until `stop` is set; then leave a last snapshot.

    Args:
        engine: Ready to decide its next minute.
        inputs: Read on the engine's thread.
        commit: Called on the engine's thread with every chunk's batches, before any sink sees them.
        sinks: Called on the event loop after each commit.
        stop: Ends the run after the chunk that is being decided; nothing is lost.
        timed: Measures the stages; `commit` is one of them.

    Returns:
        Whether the inputs were played to their end.
    """
    loop = asyncio.get_running_loop()
    halted = stop or asyncio.Event()

    def until_halted() -> Iterator[AnyEvent | Minutes]:
        """The inputs up to the one in which the stop came."""
        for item in inputs:
            yield item
            if halted.is_set():
                return

    with (
        ThreadPoolExecutor(1, thread_name_prefix="engine") as thread,
        ThreadPoolExecutor(1, thread_name_prefix="trees") as trees,
    ):
        steps = outcomes(engine, until_halted(), trees, timed)

        def step() -> Sequence[BatchRecord] | None:
            """Decide and commit one chunk; None at the end."""
            outcome = next(steps, None)
            if outcome is None:
                return None
            with timed("commit"):
                commit(*outcome)
            return outcome[0]

        while (batches := await loop.run_in_executor(thread, step)) is not None:
            for sink in sinks:
                sink(batches)
        await loop.run_in_executor(thread, lambda: commit((), engine.snapshot()))
    return not halted.is_set()
