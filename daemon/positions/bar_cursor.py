"""The minutes of a chunk seen one at a time: scalars out of columns, without an object per bar."""

from collections.abc import Callable

from daemon.events import Minutes
from daemon.kernels import FloatArray, IntArray


class BarCursor:
    """Stands on one minute of a chunk; `seek` moves it. Only what somebody asks for is read.

    `open(i)`, `high(i)`, `low(i)`, `close(i)`, `volume(i)` and `sigma(i)` are floats of the instrument with
    index i, NaN where it has no bar (sigma: where unknown).

    Attributes:
        minute: Epoch minute.
        ordinal: Session minutes since the start of the run's inputs.
    """

    __slots__ = (
        "_age", "_close", "_first_ordinal", "_high", "_low", "_minutes", "_open", "_sigma", "_t", "_tradable",
        "_volume", "minute", "ordinal",
    )  # fmt: skip

    def __init__(self, minutes: Minutes, sigma: FloatArray, age: IntArray, first_ordinal: int) -> None:
        """Stand on the first minute.

        Args:
            minutes: At least one sealed minute.
            sigma: (n_minutes, n_instruments) volatility of one-minute log returns, NaN where unknown.
            age: (n_minutes, n_instruments) session minutes since the instrument's last bar; 0 where it has
                one.
            first_ordinal: Ordinal of the first minute.
        """
        self._minutes: list[int] = minutes.minute.tolist()
        self._open: Callable[[int, int], float] = minutes.open.item
        self._high: Callable[[int, int], float] = minutes.high.item
        self._low: Callable[[int, int], float] = minutes.low.item
        self._close: Callable[[int, int], float] = minutes.close.item
        self._volume: Callable[[int, int], float] = minutes.volume.item
        self._tradable: Callable[[int, int], bool] = minutes.tradable.item
        self._sigma: Callable[[int, int], float] = sigma.item
        self._age: Callable[[int, int], int] = age.item
        self._first_ordinal = first_ordinal
        self.seek(0)

    def seek(self, t: int) -> None:
        """Stand on minute `t` of the chunk."""
        self._t = t
        self.minute = self._minutes[t]
        self.ordinal = self._first_ordinal + t

    def open(self, instrument: int) -> float:
        """First price."""
        return self._open(self._t, instrument)

    def high(self, instrument: int) -> float:
        """Highest price."""
        return self._high(self._t, instrument)

    def low(self, instrument: int) -> float:
        """Lowest price."""
        return self._low(self._t, instrument)

    def close(self, instrument: int) -> float:
        """Last price."""
        return self._close(self._t, instrument)

    def volume(self, instrument: int) -> float:
        """Base units traded."""
        return self._volume(self._t, instrument)

    def sigma(self, instrument: int) -> float:
        """Volatility of one-minute log returns."""
        return self._sigma(self._t, instrument)

    def tradable(self, instrument: int) -> bool:
        """Whether somebody traded: no bar, a synthetic one and one without volume are not tradable."""
        return self._tradable(self._t, instrument)

    def age(self, instrument: int) -> int:
        """Session minutes since the last bar."""
        return self._age(self._t, instrument)
