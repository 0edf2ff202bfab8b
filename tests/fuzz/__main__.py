"""Long fuzzing of a venue's parser: `python -m tests.fuzz VENUE --executions 1000000`.

Guided by coverage (atheris, `pip install atheris`, Linux), from samples of the venue's own frames. Ends with
a line that says what was done, or with the input that broke a promise. Every execution is at least three
frames: the bytes as they are, and a sample with strange values in it, as a frame and as an answer of the
history.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["adapters.exchanges"]):
    from adapters.exchanges.catalogue import VENUES
    from tests.fuzz.targets import Target

from tests.adapters.exchanges.samples import SAMPLES

WARM_EXECUTIONS = 20_000
"""Caches and the fuzzer's own first corpus are filled by then: memory is compared with this moment."""


def peak_mb() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fuzz one venue; libFuzzer ends the process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("venue", choices=sorted(VENUES))
    arguments.add_argument("--executions", type=int, default=1_000_000)
    asked = arguments.parse_args()
    target = Target(asked.venue)
    n_executions = 0
    warm_mb, warm_held = 0.0, 0

    def execute(data: bytes) -> None:
        nonlocal n_executions, warm_mb, warm_held
        target.give(data)
        n_executions += 1
        if n_executions == WARM_EXECUTIONS:
            warm_mb, warm_held = peak_mb(), target.held()
        if n_executions == asked.executions:
            held = f"parser holds {warm_held} -> {target.held()} values"
            print(
                f"{asked.venue}: {n_executions:,} executions, {target.n_frames:,} frames, "
                f"{target.n_bars:,} bars taken, {len(target.names)} names; {held}, "
                f"process {warm_mb:.0f} -> {peak_mb():.0f} MB",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(SAMPLES[asked.venue]):
            (Path(folder) / str(number)).write_text(text)
        atheris.Setup(
            [sys.argv[0], f"-runs={asked.executions}", "-max_len=2048", "-verbosity=0", folder], execute
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
