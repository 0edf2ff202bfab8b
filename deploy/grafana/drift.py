"""Drift, for the dashboard *Model health*: each feature against its threshold, and what is in alarm."""

from typing import Final

from deploy.grafana.panels import Panel, Query, Steps, heat_map, lines, states
from deploy.grafana.selectors import of

NEAR: Final = Steps(("green", "yellow", "orange", "red"), (0.5, 0.8, 1.0))
"""The index over its threshold: at 1 the feature is out."""


def drift() -> list[Panel]:
    """Return the panels."""
    near = f"{of('drift_psi')} / {of('drift_psi_threshold')}"
    return [
        heat_map(
            "Drift of each feature",
            "Population stability index of the newest full window over the feature's own "
            "threshold; at 1 it is out. Empty until a window is full, or if training holds too few windows.",
            "none",
            Query(near, "{{feature}} ({{subject}})"),
            steps=NEAR,
            height=18,
        ),
        lines(
            "Features by state",
            "Unseen: the window is too short to tell.",
            "none",
            Query(of("drift_features"), "{{subject}}: {{state}}"),
            style="stacked",
        ),
        states(
            "Drift alarm",
            "In alarm while features or predictions are out together.",
            Query(of("drift_alarm"), "{{subject}}"),
            steps=Steps(("green", "red"), (1.0,)),
        ),
        states(
            "Vitals",
            "In alarm, by the bounds of the section alarms.",
            Query(of("vital_alarm"), "{{vital}}: {{subject}}"),
            width=24,
            steps=Steps(("green", "red"), (1.0,)),
        ),
    ]
