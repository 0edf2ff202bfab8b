"""The live service: the asyncio shell around feeds, sequencer and engine. It knows ports only."""

from daemon.live.onlookers import NOBODY, IndicationSink, Onlookers
from daemon.live.run import LiveCommit, LiveRun

__all__ = ["NOBODY", "IndicationSink", "LiveCommit", "LiveRun", "Onlookers"]
