"""Speed of replay and features: `python -m tests.bench [CASE ...]` prints a table and writes JSON.

Every case runs in a process of its own, so that its peak of memory is its own. Ratios to *bare* are taken
in one run: *bare* is `Booster.predict` in batches of 4,096 rows with one thread plus the bare River calls,
times added, on the same rows.
"""

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.cases import CASES

DEFAULT_OUT = Path("var/bench.json")


def main(names: list[str]) -> int:
    """Run the cases and return 0 if all met their limits."""
    results = []
    for name in names or list(CASES):
        told = subprocess.run(
            [sys.executable, "-m", "tests.bench.cases", name], capture_output=True, text=True, check=False
        )
        if told.returncode:
            sys.stderr.write(told.stderr)
            return told.returncode
        results.append(json.loads(told.stdout.splitlines()[-1]))
        print(results[-1]["case"], results[-1]["measured"], file=sys.stderr, flush=True)
    table = Table("case", "measured", "must", "met")
    for result in results:
        table.add_row(result["case"], result["measured"], result["must"], "yes" if result["met"] else "NO")
    Console(width=140).print(table)
    DEFAULT_OUT.parent.mkdir(parents=True, exist_ok=True)
    DEFAULT_OUT.write_text(json.dumps(results, indent=2) + "\n")
    return 0 if all(result["met"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
