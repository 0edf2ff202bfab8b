"""The dashboards as the files that Grafana provisions."""

import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.model_health import model_health
from deploy.grafana.operations import operations
from deploy.grafana.trading import trading

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"


def dashboards() -> list[Dashboard]:
    """Return all of them."""
    return [trading(), model_health(), operations()]


def text(dashboard: Dashboard) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=1, sort_keys=True) + "\n"
