"""From when on a run is not healthy, or not ready."""

from pydantic import Field

from daemon.settings.section import Section


class HealthSettings(Section):
    """What /healthz and /readyz answer beside /metrics, and what feeds a watchdog."""

    stuck_seconds: float = Field(
        60.0, gt=0, description="A step of the engine, or a pause of the event loop, of so long is a hang."
    )
    stale_seconds: float = Field(
        300.0,
        gt=0,
        description="Not ready once no feed has delivered, or the next minute has waited, for so long. A "
        "closed market is not stale.",
    )
