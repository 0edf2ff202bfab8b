"""Venues tried before a run: what was found, as tables, and what it comes to as an exit code."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Final

from adapters.exchanges.questions import Listed
from adapters.exchanges.trial import SymbolTrial, Trial, VenueTrial
from adapters.host.terminal import Panel, print_summary
from adapters.simulator.follower import FollowingClock
from daemon.commands._exchanges import MQTT, by_venue, clock_and_feeds, venue_in
from daemon.settings import Settings
from daemon.vitals.moment import clock as said

WAIT_S: Final = 20.0
"""How long first frames are waited for."""

ALL_WELL, NOT_REACHED, UNKNOWN_SYMBOLS = 0, 1, 2


def dry_connect(settings: Settings) -> int:
    """Try every venue of the settings, print what was found, and return the exit code.

    0: all is well. 1: a venue cannot be reached, does not deliver, or its clock and ours are further apart
    than `sealing.max_skew_seconds`. 2: a symbol is not known.
    """
    found = asyncio.run(_tried(settings))
    code = _code(found, settings.sealing.max_skew_seconds)
    print_summary(sys.stdout, panels(found), _verdict(found, code, settings.sealing.max_skew_seconds))
    return code


async def _tried(settings: Settings) -> list[VenueTrial]:
    clock, _ = clock_and_feeds(settings)
    async with AsyncExitStack() as stack:
        if isinstance(clock, FollowingClock):
            await stack.enter_async_context(clock.following())
        trials = [
            Trial(
                venue_in(settings, venue),
                [name.partition(":")[2] for name in names],
                clock,
                WAIT_S,
                settings.sealing.history_requests,
            )
            for venue, names in by_venue(settings).items()
            if venue != MQTT  # a broker is not tried
        ]
        return list(await asyncio.gather(*(trial.run() for trial in trials)))


def panels(found: Sequence[VenueTrial]) -> list[Panel]:
    """Return what was found as tables: venues, then symbols."""
    venues = tuple(
        (trial.name, _connected(trial), _skew(trial), "; ".join(_problems(trial))) for trial in found
    )
    symbols = tuple(
        (f"{trial.name}:{symbol}", *_row(one)) for trial in found for symbol, one in trial.symbols.items()
    )
    columns = ("instrument", "known", "first frame", "newest bar", "tick", "lot", "problems")
    if not symbols:
        return []
    return [
        ("venues", ("venue", "stream", "clock here", "problems"), venues),
        ("instruments", columns, symbols),
    ]


def _problems(trial: VenueTrial) -> list[str]:
    refused = [f"subscription refused: {reason}" for reason in dict.fromkeys(trial.refusals)]
    return [*trial.problems, *refused]


def _connected(trial: VenueTrial) -> str:
    return "not connected" if trial.connected_ms is None else f"connected in {trial.connected_ms:,.0f} ms"


def _skew(trial: VenueTrial) -> str:
    if trial.skew_s is None:
        return "unknown"
    return f"{trial.skew_s:+.2f} s, ±{trial.skew_within_s:.2f}"


def _row(one: SymbolTrial) -> tuple[str, ...]:
    listed = one.listed
    return (
        _known(listed),
        "-" if one.first_frame_s is None else f"{one.first_frame_s:.1f} s",
        "-" if one.newest_minute is None else said(one.newest_minute),
        _step(listed.tick if listed else None),
        _step(listed.lot if listed else None),
        "; ".join(one.problems),
    )


def _known(listed: Listed | None) -> str:
    if listed is None:
        return "?"
    if not listed.is_known:
        return "no"
    return "yes" if listed.is_trading else "halted"


def _step(step: Decimal | None) -> str:
    return "-" if step is None else f"{step.normalize():f}"


def _unknown(found: Sequence[VenueTrial]) -> list[str]:
    return [
        f"{trial.name}:{symbol}"
        for trial in found
        for symbol, one in trial.symbols.items()
        if one.listed is not None and not one.listed.is_known
    ]


def _skewed(trial: VenueTrial, most_s: float) -> bool:
    return trial.skew_s is not None and abs(trial.skew_s) - trial.skew_within_s > most_s


def _code(found: Sequence[VenueTrial], most_skew_s: float) -> int:
    if _unknown(found):
        return UNKNOWN_SYMBOLS
    if any(trial.problems or trial.refusals or _skewed(trial, most_skew_s) for trial in found):
        return NOT_REACHED
    troubled = any(one.problems for trial in found for one in trial.symbols.values())
    return NOT_REACHED if troubled else ALL_WELL


def _verdict(found: Sequence[VenueTrial], code: int, most_skew_s: float) -> str:
    if code == UNKNOWN_SYMBOLS:
        return f"not known there: {', '.join(_unknown(found))}. Mend universe.instruments."
    skewed = [trial.name for trial in found if _skewed(trial, most_skew_s)]
    if skewed:
        return f"the clock of this machine is wrong by {', '.join(skewed)}: set it, or no bar is taken."
    if code == NOT_REACHED:
        return "not all is well: see the problems above."
    if not found:
        return "there is no venue to try: brokers are not."
    return "all is well: nothing was traded, nothing was stored."
