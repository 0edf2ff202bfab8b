"""What the API needs of the run that it speaks for."""

from collections.abc import Mapping
from typing import Any, Protocol

from adapters.control import answers as a


class RunPort(Protocol):
    """A live run: figures that are there at once, pages from its tape, orders that take until their minute.

    Everything is called on the API's own thread. What waits raises `Refused` where it cannot be done.
    """

    def state(self) -> a.State:
        """Return what the run is now."""

    def positions(self) -> a.Positions:
        """Return what is held."""

    def vitals(self) -> a.Vitals:
        """Return whether the model works."""

    def models(self) -> a.Models:
        """Return what trades."""

    def settings(self) -> Mapping[str, Any]:
        """Return the settings in force, secrets masked."""

    def commands(self) -> tuple[a.Ordered, ...]:
        """Return the newest commands, newest first."""

    async def orders(self, before: str | None, limit: int, instrument: str | None) -> a.Orders:
        """Return orders that were made before the place `before`."""

    async def fills(self, before: str | None, limit: int, instrument: str | None) -> a.Fills:
        """Return fills and bookings alike."""

    async def decisions(self, before: str | None, limit: int, instrument: str | None) -> a.Decisions:
        """Return decisions alike."""

    async def order(self, command: a.CommandName, by: str, wait_seconds: float) -> a.Ordered:
        """Let a command in before the next minute; return it when it is done, or after the wait."""

    async def reload(self, by: str) -> a.ReloadDone:
        """Read the settings again; return what came of it when it is in force."""

    async def snapshot(self) -> a.SnapshotMade:
        """Make a snapshot now."""
