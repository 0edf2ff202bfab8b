"""Keeps the libraries we use from calling home."""

import os

# Read by the libraries when they are imported, so they are set before any command imports anything.
SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow's tracing exports spans if the environment names a collector; papertape has none of its own.
    "OTEL_SDK_DISABLED": "true",
    # GitPython, which MLflow imports, complains on machines without git.
    "GIT_PYTHON_REFRESH": "quiet",
}


def turn_off_telemetry() -> None:
    """Set every switch in this process's environment, whatever it held before: papertape calls nobody."""
    os.environ.update(SWITCHES)
