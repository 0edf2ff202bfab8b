"""The dashboard *Model health*: is the model better than none, is it calibrated, has the market moved."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.drift import drift
from deploy.grafana.frame import dashboard_of
from deploy.grafana.panels import (
    ABOVE_ZERO_IS_BAD,
    ABOVE_ZERO_IS_GOOD,
    Panel,
    Query,
    Steps,
    banded,
    lines,
    number,
)
from deploy.grafana.selectors import of

NATS = "none"
TRADED = {"expert": "blend", "form": "calibrated"}
"""What is traded on."""

EXPERT = {"expert": "$expert", "form": "calibrated"}
"""One expert after another: the variable repeats the panel."""


def model_health() -> Dashboard:
    """Return the dashboard."""
    return dashboard_of(
        "model-health",
        "Model health",
        "Accuracy beside what needs no model, with intervals; calibration; drift against its thresholds.",
        (
            ("Now", _now()),
            ("Skill of what is traded on", _skill()),
            ("Each expert", _experts()),
            ("Calibration", _calibration()),
            ("Drift", drift()),
            ("Groups of instruments", _groups()),
        ),
        per_expert=True,
    )


def _now() -> list[Panel]:
    learned = f"{of('last_closed_bar_timestamp_seconds')} - {of('model_data_end_timestamp_seconds')}"
    return [
        number(
            "Model",
            "The version that trades.",
            "none",
            Query(of("model_info"), "{{model}}"),
            width=6,
            named=True,
        ),
        number(
            "Age of what it learned",
            "From where its bars end to the newest minute.",
            "s",
            Query(learned, "age"),
            steps=Steps(("green", "yellow", "red"), (30 * 86_400.0, 90 * 86_400.0)),
        ),
        number(
            "Labels",
            "Judged, in the window of the vitals.",
            "short",
            Query(of("expert_labels", **TRADED), "labels"),
        ),
        number(
            "Skill, low",
            "Nats over the base rate: lower bound of the 95 % interval.",
            NATS,
            Query(of("expert_skill_nats", part="all", estimate="low", **TRADED), "low"),
            steps=ABOVE_ZERO_IS_GOOD,
        ),
        number(
            "Skill, high",
            "The upper bound: below zero the model is worse than none.",
            NATS,
            Query(of("expert_skill_nats", part="all", estimate="high", **TRADED), "high"),
            steps=ABOVE_ZERO_IS_GOOD,
        ),
        number(
            "Alarms",
            "Vitals out of their bounds.",
            "none",
            Query(f"sum({of('vital_alarm')}) or vector(0)", "alarms"),
            steps=ABOVE_ZERO_IS_BAD,
        ),
        number(
            "Drift",
            "Features out of their thresholds.",
            "none",
            Query(f"sum({of('drift_features', state='out')})", "out"),
            steps=ABOVE_ZERO_IS_BAD,
        ),
    ]


def _estimated(name: str, **labels: str) -> list[Query]:
    return [Query(of(name, estimate=word, **labels), word) for word in ("mean", "low", "high")]


def _skill() -> list[Panel]:
    baseline = of("expert_baseline_accuracy_ratio", **TRADED)
    return [
        lines(
            "Accuracy beside its baselines",
            "Accuracy alone mostly measures how volatile the market is: look at "
            "the difference, paired, in the panel beside.",
            "percentunit",
            Query(of("expert_accuracy_ratio", **TRADED), "blend"),
            Query(baseline, "{{baseline}}"),
        ),
        banded(
            lines(
                "Accuracy less the majority's",
                "Paired, with its 95 % interval.",
                "percentunit",
                *_estimated("expert_over_majority_ratio", **TRADED),
                steps=ABOVE_ZERO_IS_GOOD,
            ),
            "low",
            "high",
        ),
        banded(
            lines(
                "Skill over the base rate",
                "Log-loss of the base rate less the blend's, nats a label, paired.",
                NATS,
                *_estimated("expert_skill_nats", part="all", **TRADED),
                steps=ABOVE_ZERO_IS_GOOD,
            ),
            "low",
            "high",
        ),
        lines(
            "Skill by part",
            "Move: flat or not. Direction: which way, given a move.",
            NATS,
            Query(of("expert_skill_nats", part="~move|direction", estimate="mean", **TRADED), "{{part}}"),
        ),
        banded(
            lines(
                "Direction hit",
                "Share of moves whose direction was the likelier.",
                "percentunit",
                *_estimated("expert_hit_ratio", **TRADED),
            ),
            "low",
            "high",
        ),
        banded(
            lines(
                "Information coefficient",
                "Rank correlation of p(up) - p(down) with the return.",
                NATS,
                *_estimated("expert_information_coefficient", **TRADED),
                steps=ABOVE_ZERO_IS_GOOD,
            ),
            "low",
            "high",
        ),
    ]


def _experts() -> list[Panel]:
    each = banded(
        lines(
            "Skill of $expert",
            "Nats a label over the base rate, calibrated.",
            NATS,
            *_estimated("expert_skill_nats", part="all", **EXPERT),
            width=24,
            steps=ABOVE_ZERO_IS_GOOD,
        ),
        "low",
        "high",
    )
    return [
        each.repeat("expert").repeat_direction("h").max_per_row(4),
        lines(
            "Weights in the blend",
            "They move to whoever loses least.",
            "percentunit",
            Query(of("blend_weight_ratio"), "{{expert}}"),
            style="stacked",
        ),
        lines(
            "Changes of error found",
            "By ADWIN and Page-Hinkley, in the day before.",
            "none",
            Query(
                f"sum by (expert, detector) (increase({of('changes_total')}[1d]))", "{{expert}}: {{detector}}"
            ),
            style="stacked",
        ),
        lines(
            "Versions that the alias moved to",
            "Swapped in or refused, in the day before.",
            "none",
            Query(f"sum by (result) (increase({of('model_swaps_total')}[1d]))", "{{result}}"),
            style="stacked",
            width=8,
        ),
        lines(
            "Skill of versions",
            "Of the blend of each version, nats a label over the base rate: the champion, past ones, a "
            "challenger.",
            NATS,
            Query(of("model_skill_nats", estimate="mean"), "{{model}} ({{role}})"),
            width=8,
        ),
        lines(
            "What a challenger would bring",
            "Its skill less that of what traded, on the same labels, nats; zero without a challenger.",
            NATS,
            Query(f"{of('challenger_gain_nats')} or vector(0)", "{{model}} {{estimate}}"),
            width=8,
        ),
    ]


def _calibration() -> list[Panel]:
    error = of("expert_calibration_error_ratio")
    return [
        lines(
            "Accuracy: estimated and realised",
            "What the probabilities promise before labels come, and what came. A gap "
            "that opens is a change of the market.",
            "percentunit",
            Query(of("expert_expected_accuracy_ratio", **TRADED), "estimated"),
            Query(of("expert_realised_accuracy_ratio", **TRADED), "realised"),
        ),
        lines(
            "Calibration error",
            "Class-wise, groups of equal mass; raw is before the calibrator.",
            "percentunit",
            Query(error, "{{expert}}, {{form}}"),
        ),
        lines(
            "What calibration brings",
            "Skill of the calibrated expert less the raw one's, nats.",
            NATS,
            Query(of("expert_calibration_gain_nats", estimate="mean"), "{{expert}}"),
            width=8,
        ),
        lines(
            "Brier score",
            "0 is best, 2 worst.",
            NATS,
            Query(of("expert_brier_score", form="calibrated"), "{{expert}}"),
            width=8,
        ),
        lines(
            "Matthews' correlation",
            "Of three classes.",
            NATS,
            Query(of("expert_matthews_correlation", form="calibrated"), "{{expert}}"),
            width=8,
        ),
    ]


def _groups() -> list[Panel]:
    return [
        lines(
            "Skill of groups",
            "Of the blend, nats over the base rate.",
            NATS,
            Query(of("group_skill_nats", expert="blend", part="all", estimate="mean"), "{{group}}"),
        ),
        lines(
            "Net return of a round trip by group",
            "Mean after costs.",
            "percentunit",
            Query(of("group_trade_net_ratio", estimate="mean"), "{{group}}"),
        ),
    ]
