"""The live service: the asyncio shell around feeds, sequencer and engine. It knows ports only."""

from daemon.live.health import Check, Checks, Health, all_well, ills
from daemon.live.onlookers import NOBODY, IndicationSink, Onlookers
from daemon.live.run import LiveCommit, LiveRun

__all__ = [
    "NOBODY",
    "Check",
    "Checks",
    "Health",
    "IndicationSink",
    "LiveCommit",
    "LiveRun",
    "Onlookers",
    "all_well",
    "ills",
]
