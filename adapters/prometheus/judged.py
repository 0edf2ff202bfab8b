"""Families that judge experts: the same figures of all live minutes, and of minutes filled from history."""

from adapters.prometheus.family import Family


def judged_families(prefix: str, labels: tuple[str, ...], of: str) -> tuple[Family, ...]:
    """Return the families of skill.

    Args:
        prefix: What their names begin with.
        labels: What tells one series from another.
        of: What is judged, for the meaning: ` in the window`.
    """
    estimated = (*labels, "estimate")
    return (
        Family(f"{prefix}_labels", "gauge", f"Judged labels{of}.", labels),
        Family(
            f"{prefix}_accuracy_ratio",
            "gauge",
            f"Share of labels{of} whose likeliest class was right.",
            labels,
        ),
        Family(
            f"{prefix}_baseline_accuracy_ratio",
            "gauge",
            "The same for what needs no model: majority, base_rate, last_label.",
            (*labels, "baseline"),
        ),
        Family(
            f"{prefix}_over_majority_ratio",
            "gauge",
            "Accuracy less the majority's, paired: mean, low, high of the 95 % interval.",
            estimated,
        ),
        Family(
            f"{prefix}_hit_ratio",
            "gauge",
            f"Share of moves{of} whose direction was the likelier.",
            estimated,
        ),
        Family(
            f"{prefix}_skill_nats",
            "gauge",
            f"Log-loss of the base rate less the expert's{of}, by part: all, move, direction.",
            (*labels, "part", "estimate"),
        ),
        Family(
            f"{prefix}_information_coefficient",
            "gauge",
            f"Rank correlation of p(up) - p(down) with the return{of}.",
            estimated,
        ),
    )


def calibration_families(prefix: str, labels: tuple[str, ...]) -> tuple[Family, ...]:
    """Return the families that ask whether probabilities are what they say; arguments as above."""
    return (
        Family(
            f"{prefix}_expected_accuracy_ratio",
            "gauge",
            "Accuracy that the probabilities promise, of everything scored, before labels arrive.",
            labels,
        ),
        Family(
            f"{prefix}_realised_accuracy_ratio",
            "gauge",
            "What that came to where labels have arrived: less than expected is a change of the market.",
            labels,
        ),
        Family(
            f"{prefix}_calibration_error_ratio",
            "gauge",
            "Class-wise expected calibration error over groups of equal mass.",
            labels,
        ),
        Family(f"{prefix}_brier_score", "gauge", "Brier score of three classes; 0 is best, 2 worst.", labels),
        Family(f"{prefix}_matthews_correlation", "gauge", "Matthews' correlation of three classes.", labels),
    )


def edge_families(prefix: str, labels: tuple[str, ...], of: str) -> tuple[Family, ...]:
    """Return the families of what signals promised beside what came; arguments as above."""
    estimated = (*labels, "estimate")
    return (
        Family(
            f"{prefix}_signals", "gauge", f"Signals{of} (edge above costs) whose labels have come.", labels
        ),
        Family(
            f"{prefix}_predicted_ratio",
            "gauge",
            "Mean log return that they promised: mean, low, high of the 95 % interval.",
            estimated,
        ),
        Family(
            f"{prefix}_realised_ratio", "gauge", "Mean log return that came towards their side.", estimated
        ),
        Family(
            f"{prefix}_shortfall_ratio",
            "gauge",
            "Predicted less realised, paired: above zero the model promises more than it keeps.",
            estimated,
        ),
    )
