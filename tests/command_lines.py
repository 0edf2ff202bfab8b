"""Real uses of every command, in an order in which each finds what those before it made.

`test_no_network.py` runs them in one folder and refuses connections; it also fails if a command is missing.
`{repository}` is the root of the repository; everything else is relative to the folder, which holds
SETTINGS as small.yaml.
"""

SETTINGS = """
features: {groups: [twenty]}
experts:
  trees: {rounds: 20, leaves: 7}
training: {min_rows: 1000, folds: 0}
"""

COMMAND_LINES: tuple[str, ...] = (
    "config check {repository}/configs/default.yaml",
    "config show --describe",
    "config schema",
    "metrics",
    "demo --minutes 7200 --out demo",
    "features --group default",
    "tape info demo/demo.tape",
    "tape export demo/demo.tape --out exported",
    "features check {repository}/tests/daemon/features/own_formulas.yaml --bars exported/bars.parquet",
    "train --bars exported/bars.parquet --config small.yaml --to 2024-01-05T18:00",
    (
        "replay --bars exported/bars.parquet --config small.yaml --from 2024-01-05T18:00 --tape run.tape"
        " --serve 0"
    ),
    "tape backup run.tape copied.tape",
    "tape migrate copied.tape",
    "tape prune copied.tape --keep-days 365",
    "verify run.tape",
    "report run.tape --html report.html",
    "download binance BTCUSDT --from 2024-01-01 --to 2024-01-03 --dry-run",
    "pack --model demo/model/trees.txt --bars exported/bars.parquet --config small.yaml",
    "models list --config small.yaml",
    "models rollback --config small.yaml",
    "models promote 2 --config small.yaml",
    "models challenge 1 --config small.yaml",
    "models challenge --clear --config small.yaml",
    "mqtt",
    "simulate --minutes 10 --speed 100000 --port 0",
)

NEED_A_VENUE: frozenset[tuple[str, ...]] = frozenset((("health",), ("notify", "test"), ("record",), ("run",)))
"""Commands that do nothing without a venue, or a run on it: their own tests run them, on loopback."""

NEED_A_RUN: frozenset[str] = frozenset({"ctl"})
"""Groups of commands that do nothing without a live run: likewise."""
