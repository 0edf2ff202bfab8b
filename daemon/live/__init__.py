"""The live service: the asyncio shell around feeds, sequencer and engine. It knows ports only."""

from daemon.live.health import Check, Checks, Health, all_well, ills
from daemon.live.notices import Notice, Pacing
from daemon.live.onlookers import NOBODY, IndicationSink, Onlookers
from daemon.live.run import LiveCommit, LiveRun
from daemon.live.universe import UniverseChange

__all__ = [
    "NOBODY",
    "Check",
    "Checks",
    "Health",
    "IndicationSink",
    "LiveCommit",
    "LiveRun",
    "Notice",
    "Onlookers",
    "Pacing",
    "UniverseChange",
    "all_well",
    "ills",
]
