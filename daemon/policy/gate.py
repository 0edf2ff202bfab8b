"""The entry gate, over all rows of a chunk at once: which signals are worth their cost.

A signal is a row whose expected edge beats `edge_multiple` times its round-trip cost. Only signals open,
confirm or oppose a position; a row without one changes nothing (a failed gate is no exit).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from daemon.kernels import BoolArray, FloatArray, IntArray
from daemon.policy.reasons import Reason
from daemon.settings import PolicySettings


@dataclass(frozen=True, slots=True, eq=False)
class GateRows:
    """The rows of a chunk as the gate sees them; every column is (n_rows,) but `p`.

    Attributes:
        minute: Index of the row's minute within the chunk, ascending.
        instrument: Index among the run's instruments.
        p: (n_rows, 3) blended probabilities of down, flat, up.
        edge: Expected log return to the horizon.
        sigma: Volatility of one-minute log returns.
        cost: Estimated round-trip cost, a fraction.
        turnover: Traded value per day, quote currency.
        ready: The row could be scored.
        catch_up: The row's minute was missed live.
    """

    minute: IntArray
    instrument: IntArray
    p: FloatArray
    edge: FloatArray
    sigma: FloatArray
    cost: FloatArray
    turnover: FloatArray
    ready: BoolArray
    catch_up: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """What the gate says of every row.

    Attributes:
        side: (n_rows,) int8: 1 a signal to be long, -1 short, 0 no signal.
        reason: (n_rows,) uint8 `Reason`: why there is no signal, or why a signal may not open a position, or
            PASSED.
    """

    side: npt.NDArray[np.int8]
    reason: npt.NDArray[np.uint8]


class Candidate(NamedTuple):
    """One signal of one minute: `block` is PASSED or why it may not open a position."""

    instrument: int
    side: int
    block: Reason
    edge: float
    cost: float
    sigma: float


def screen(settings: PolicySettings, rows: GateRows) -> Screened:
    """Screen every row of a chunk; each minute is judged by itself.

    Args:
        settings: The policy's settings.
        rows: All rows of whole minutes.
    """
    # NaN (a row that was not scored) compares false and thus has no edge.
    worth = np.abs(rows.edge) > settings.edge_multiple * rows.cost
    side = np.where(worth, np.sign(rows.edge), 0.0).astype(np.int8)
    reason = np.where(side != 0, Reason.PASSED, Reason.NO_EDGE).astype(np.uint8)
    if settings.min_direction > 0.0:
        down, up = rows.p[:, 0], rows.p[:, 2]
        weak = np.where(side > 0, up, down) < settings.min_direction * (up + down)
        _refuse(side, reason, weak & (side != 0), Reason.WEAK_DIRECTION)
    _refuse(side, reason, rows.catch_up, Reason.CATCH_UP)
    _refuse(side, reason, ~rows.ready, Reason.NOT_READY)
    if settings.max_volatility_share < 1.0:
        reason[_volatile(settings.max_volatility_share, rows) & (side != 0)] = Reason.VOLATILE
    if settings.min_turnover > 0.0:
        reason[(rows.turnover < settings.min_turnover) & (side != 0)] = Reason.ILLIQUID
    if settings.side == "long_only":
        reason[side < 0] = Reason.LONG_ONLY
    return Screened(side, reason)


def candidates_by_minute(rows: GateRows, screened: Screened) -> Mapping[int, tuple[Candidate, ...]]:
    """Return the signals of each minute that has any, by index of the minute, ascending by instrument."""
    at = np.flatnonzero(screened.side)
    found: dict[int, list[Candidate]] = {}
    columns = (
        rows.minute, rows.instrument, screened.side, screened.reason, rows.edge, rows.cost, rows.sigma,
    )  # fmt: skip
    for minute, instrument, side, reason, edge, cost, sigma in zip(
        *(c[at].tolist() for c in columns), strict=True
    ):
        found.setdefault(minute, []).append(Candidate(instrument, side, Reason(reason), edge, cost, sigma))
    return {minute: tuple(sorted(candidates)) for minute, candidates in found.items()}


def _refuse(side: npt.NDArray[np.int8], reason: npt.NDArray[np.uint8], mask: BoolArray, why: Reason) -> None:
    """Take the signal from the rows of `mask`."""
    side[mask] = 0
    reason[mask] = why


def _volatile(share: float, rows: GateRows) -> BoolArray:
    """Mark the rows that are not among the `share` of lowest sigma in their minute; equals stand together.

    Of n scored instruments, ceil(share x n) are let through, and with them those that equal the last of them.
    """
    volatile = np.zeros(len(rows.sigma), dtype=np.bool_)
    ready = np.flatnonzero(rows.ready)
    starts = np.flatnonzero(np.diff(rows.minute[ready], prepend=-1))
    for first, end in pairwise([*starts.tolist(), len(ready)]):
        members = ready[first:end]
        sigma = rows.sigma[members]
        last = np.sort(sigma)[math.ceil(share * len(members)) - 1]
        volatile[members] = sigma > last
    return volatile
