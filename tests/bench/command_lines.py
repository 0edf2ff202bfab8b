"""What a user meets at the shell: how soon `--help` comes, and what a long replay takes in memory."""

import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

PAPERTAPE: Final = (sys.executable, "-m", "daemon")
BARS: Final = Path("../shared/data/binance_spot_train_2024-01_2024-06.parquet")
TRADED_FROM: Final = "2024-01-15"
SAMPLE_S: Final = 0.5
FLAT_SHARE: Final = 1.15
"""Memory after the first month may not grow beyond this share of itself."""


def help_start(n_runs: int, limit_s: float) -> dict[str, object]:
    """Start `papertape --help` so many times."""
    taken = []
    for _ in range(n_runs):
        started = time.perf_counter()
        subprocess.run([*PAPERTAPE, "--help"], check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    median = statistics.median(taken)
    return {
        "measured": (
            f"median {median:.2f} s, fastest {min(taken):.2f} s of {n_runs}; load {os.getloadavg()[0]:.1f}"
        ),
        "must": f"median <= {limit_s} s",
        "met": median <= limit_s,
        "median_s": median,
        "min_s": min(taken),
    }


def six_months(limit_mb: float) -> dict[str, object]:
    """Train on the first two weeks of real bars, replay the rest with the command, watch its memory."""
    with tempfile.TemporaryDirectory() as folder:
        model, tape = Path(folder) / "model", Path(folder) / "run.tape"
        bars = ("--bars", str(BARS))
        quick = {**os.environ, "PAPERTAPE_TRAINING__FOLDS": "0"}
        trained = [*PAPERTAPE, "train", *bars, "--to", TRADED_FROM, "--out", str(model)]
        subprocess.run(trained, check=True, capture_output=True, env=quick)
        replayed = [*PAPERTAPE, "replay", *bars, "--from", TRADED_FROM]
        replayed += ["--model", str(model), "--tape", str(tape)]
        started = time.perf_counter()
        running = subprocess.Popen(replayed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak_mb, by_month = _watched(running, tape)
        seconds = time.perf_counter() - started
        n_bars = _asked(tape, "SELECT count(*) FROM bar")
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, replayed)
    settled = [held for month, held in by_month.items() if month != "before"][1:]
    flat = max(settled) <= FLAT_SHARE * settled[0]
    months = ", ".join(f"{month} {mb:.0f}" for month, mb in by_month.items())
    return {
        "measured": f"peak {peak_mb:,.0f} MB ({months}); {n_bars:,} bars in {seconds:.0f} s",
        "must": f"<= {limit_mb:,.0f} MB and flat from the second month on",
        "met": peak_mb <= limit_mb and flat,
        "peak_mb": peak_mb,
        "by_month": by_month,
    }


def _watched(running: subprocess.Popen[bytes], tape: Path) -> tuple[float, dict[str, float]]:
    """Return the most memory that was held, and that of the samples by month of the replayed minutes, MB."""
    peak, by_month = 0.0, dict[str, float]()
    while running.poll() is None:
        time.sleep(SAMPLE_S)
        held = _memory_mb(running.pid)
        minute = _asked(tape, "SELECT max(minute) FROM batch") if tape.exists() else 0
        month = str(np.datetime64(minute, "m"))[:7] if minute else "before"
        by_month[month] = max(by_month.get(month, 0.0), held.get("VmRSS", 0.0))
        peak = max(peak, held.get("VmHWM", 0.0))
    return peak, by_month


def _memory_mb(process: int) -> dict[str, float]:
    """Return what Linux says of a process's memory: `VmRSS` now, `VmHWM` at most; nothing if it ended."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}
    return {}


def _asked(tape: Path, question: str) -> int:
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(f"file:{tape}?mode=ro", uri=True)) as connection,
    ):
        return int(connection.execute(question).fetchone()[0] or 0)
    return 0  # it is being begun
