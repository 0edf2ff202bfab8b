"""A first look at the bars of a training: which minutes, which instruments, how finely they are priced."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daemon.errors import TrainingError
from daemon.features import Quanta
from daemon.kernels import FloatArray, IntArray
from daemon.training.dataset import Progress, Window


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What the training range holds.

    Attributes:
        minutes: (n_minutes,) session minutes from S on, epoch minutes.
        reference: Instruments with a bar in them, sorted: over these cross-sections run from now on.
        quanta: Steps of their prices and volumes, by ten digits of their typical size.
        n_bars: Bars in the range.
    """

    minutes: IntArray
    reference: tuple[str, ...]
    quanta: dict[str, Quanta]
    n_bars: int


def survey(window: Window, progress: Progress) -> Survey:
    """Read the window once.

    Raises:
        TrainingError: It holds no bar.
    """
    minutes: list[IntArray] = []
    closes: list[list[FloatArray]] = [[] for _ in window.names]
    volumes: list[list[FloatArray]] = [[] for _ in window.names]
    n_minutes = window.last_minute - window.first_minute + 1
    for block in window.blocks(window.first_minute):
        minutes.append(block.minute)
        for column in range(len(window.names)):
            there = block.present[:, column]
            closes[column].append(block.close[there, column])
            volumes[column].append(block.volume[there, column])
        progress("reading bars", int(block.minute[-1]) - window.first_minute + 1, n_minutes)
    joined = {name: np.concatenate(parts) for name, parts in zip(window.names, closes, strict=True) if parts}
    n_bars = sum(len(close) for close in joined.values())
    if not n_bars:
        span = f"{_text(window.first_minute)} to {_text(window.last_minute)}"
        raise TrainingError(f"the bar files hold no bar from {span}: give another --from and --to.")
    quanta = {
        name: Quanta.typical(joined[name], np.concatenate(volume))
        for name, volume in zip(window.names, volumes, strict=True)
        if len(joined[name])
    }
    return Survey(np.concatenate(minutes), tuple(sorted(quanta)), quanta, n_bars)


def _text(minute: int) -> str:
    moment: npt.NDArray[np.datetime64] = np.array(minute, dtype="datetime64[m]")
    return f"{moment}Z"
