"""Funding: what holding an instrument costs its longs and brings its shorts, when and at which rate.

Three sources have one face: none, a fixed rate every eight hours, and a series of events. An event is charged
at the open of the minute it falls into, or of the first session minute after it: what was held over a closed
market pays for all of it when the market opens.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from daemon.errors import SettingsError
from daemon.events import MINUTE_US
from daemon.positions.money import exact, times
from daemon.settings import CostSettings

FUNDING_MINUTES: Final = 480
"""A fixed rate is due at 00:00, 08:00 and 16:00 UTC."""

MOST_NAMED: Final = 8
_BPS: Final = Decimal("1e-4")


class Charge(NamedTuple):
    """One event.

    Attributes:
        instrument: Index of the instrument.
        rate: Fraction of the held value: longs pay it, shorts receive it; the reverse where negative.
    """

    instrument: int
    rate: Decimal


class Funding(Protocol):
    """When funding is due."""

    @property
    def fact(self) -> str:
        """Where funding comes from and what it leaves out, for the summary."""
        ...

    def due(self, after: int, minute: int) -> Sequence[Charge]:
        """Return what is charged at the open of `minute`.

        Args:
            after: The session minute before, epoch: what was due up to it has been charged.
            minute: Epoch minute, > `after`.

        Returns:
            Every event in (`after`, `minute`], by time.
        """
        ...


class NoFunding:
    """Funding that is not charged."""

    __slots__ = ()

    fact = "not charged (neither costs.funding_bps_per_8h nor costs.funding_file is set)"

    def due(self, after: int, minute: int) -> Sequence[Charge]:
        """Return nothing; see `Funding.due`."""
        del after, minute
        return ()


class FixedFunding:
    """One rate for every instrument, every eight hours.

    Args:
        rate_bps: Basis points of the held value.
        n_instruments: Width of the universe.
    """

    __slots__ = ("_charges", "fact")

    def __init__(self, rate_bps: float, n_instruments: int) -> None:
        rate = times(exact(rate_bps), _BPS)
        self._charges = tuple(Charge(instrument, rate) for instrument in range(n_instruments))
        self.fact = f"{rate_bps:g} bps of the held value every 8 h, paid by longs"

    def due(self, after: int, minute: int) -> Sequence[Charge]:
        """Return what is charged at the open of `minute`; see `Funding.due`."""
        return self._charges * (minute // FUNDING_MINUTES - after // FUNDING_MINUTES)


class FundingSeries:
    """Events of a file, those of a run's instruments.

    Args:
        columns: What `adapters.files.funding_file` read: `instrument` (names), `time_us` (int64, microseconds
            since the Unix epoch), `rate` (float64, fraction of the held value).
        names: The run's instruments; events of others are ignored.
    """

    __slots__ = ("_first", "_instrument", "_minutes", "_rate", "fact")

    def __init__(self, columns: Mapping[str, Any], names: Sequence[str]) -> None:
        place = {name: column for column, name in enumerate(names)}
        instrument = np.array([place.get(name, -1) for name in columns["instrument"]], dtype=np.int64)
        time_us = np.asarray(columns["time_us"], dtype=np.int64)
        minute = time_us // MINUTE_US
        order = np.lexsort((time_us, instrument, minute))
        order = order[instrument[order] >= 0]
        self._instrument = instrument[order]
        self._rate = np.asarray(columns["rate"], dtype=np.float64)[order]
        minutes, first = np.unique(minute[order], return_index=True)
        self._minutes: list[int] = minutes.tolist()
        self._first: list[int] = [*first.tolist(), len(order)]
        with_events = set(self._instrument.tolist())
        self.fact = self._said([name for column, name in enumerate(names) if column not in with_events])

    def due(self, after: int, minute: int) -> Sequence[Charge]:
        """Return what is charged at the open of `minute`; see `Funding.due`."""
        low = bisect_right(self._minutes, after)
        high = bisect_right(self._minutes, minute, low)
        if low == high:
            return ()
        rows = slice(self._first[low], self._first[high])
        cells = zip(self._instrument[rows].tolist(), self._rate[rows].tolist(), strict=True)
        return [Charge(instrument, exact(rate)) for instrument, rate in cells]

    def _said(self, missing: Sequence[str]) -> str:
        if not self._minutes:
            return "not charged (costs.funding_file has no event for any instrument of the run)"
        first, last = (str(np.datetime64(self._minutes[at], "m")).replace("T", " ") for at in (0, -1))
        text = f"from costs.funding_file, {len(self._rate):,} events from {first} to {last} UTC"
        if not missing:
            return f"{text}, every instrument has some"
        named = ", ".join(missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        return f"{text}; not charged on {len(missing)} without any: {named}{more}"


def make_funding(costs: CostSettings, series: Mapping[str, Any] | None, names: Sequence[str]) -> Funding:
    """Return the funding that the settings ask for.

    Args:
        costs: Of the run.
        series: Columns of `costs.funding_file`, where that is set; see `FundingSeries`.
        names: The run's instruments.

    Raises:
        SettingsError: The settings name a file and there is no series.
    """
    if costs.funding_file is not None:
        if series is None:
            raise SettingsError(
                [f"costs.funding_file: {costs.funding_file} is set, but no series of funding was read"]
            )
        return FundingSeries(series, names)
    if costs.funding_bps_per_8h is not None:
        return FixedFunding(costs.funding_bps_per_8h, len(names))
    return NoFunding()
