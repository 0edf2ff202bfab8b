"""Thirty days of storm: `python -m tests.soak --days 30 --kills 50 --seed 1` prints what became of them.

A simulated exchange in this process, `papertape run` in another one; faults of every kind, kill -9 and
SIGTERM at seeded moments. Then the tape is held against the exchange's history and computed again by
`papertape verify`.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.soak.run import Soak, soak


def main() -> int:
    """Run a soak; return 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="Kept; default: a temporary one.")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = words.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        done = asyncio.run(soak(folder, words.days, words.kills, words.seed))
    _show(done)
    return 1 if done.wrong else 0


def _show(done: Soak) -> None:
    table = Table("soak", "result")
    for name, said in done.rows:
        table.add_row(name, said)
    Console(width=140).print(table)
    for sentence in done.wrong[:50]:
        print(f"wrong: {sentence}")
    print(f"{len(done.wrong)} findings")


if __name__ == "__main__":
    sys.exit(main())
