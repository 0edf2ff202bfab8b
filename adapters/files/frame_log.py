"""Frames as they came, for developing parsers: one a line, and when it was received beside it."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_ENDINGS: Final = (".jsonl", ".ts")


class FrameLog:
    """Appends frames below a folder: `VENUE/2024-01-01.jsonl`, one a line, and `VENUE/2024-01-01.ts`.

    Line n of the second file is when frame n was received, in seconds since 1970 UTC. Every frame is written
    at once, so that a kill takes at most one that was half written; where that leaves the files out of step
    they are cut to as many whole lines when they are opened again.

    Args:
        folder: Made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, tuple[str, tuple[int, int]]] = {}
        self.n_frames = 0

    def take(self, venue: str, frame: bytes, received_s: float) -> None:
        """Append a frame; an end of line inside it (JSON has them only as white space) becomes a space."""
        day = datetime.fromtimestamp(received_s, UTC).date().isoformat()
        if venue not in self._open or self._open[venue][0] != day:
            self._turn_to(venue, day)
        frames, times = self._open[venue][1]
        os.write(frames, frame.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n")
        os.write(times, f"{received_s:.6f}\n".encode())
        self.n_frames += 1

    def close(self) -> None:
        """Close the files."""
        for _, files in self._open.values():
            for file in files:
                os.close(file)
        self._open = {}

    def _turn_to(self, venue: str, day: str) -> None:
        for file in self._open.pop(venue, ("", ()))[1]:
            os.close(file)
        folder = self._folder / venue
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{day}{ending}" for ending in _ENDINGS]
        _put_in_step(paths)
        frames, times = (os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644) for path in paths)
        self._open[venue] = (day, (frames, times))


def _put_in_step(paths: list[Path]) -> None:
    """Cut files to the same number of whole lines."""
    lines = [path.read_bytes().splitlines(keepends=True) if path.is_file() else [] for path in paths]
    n_whole = min(sum(line.endswith(b"\n") for line in of_one) for of_one in lines)
    for path, of_one in zip(paths, lines, strict=True):
        if len(of_one) > n_whole:
            os.truncate(path, sum(map(len, of_one[:n_whole])))
