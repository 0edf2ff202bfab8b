"""Log lines of what a run's batches bring: alarms and their ends, moves of the trading state."""

from collections.abc import Sequence

import structlog

from daemon.events import BatchRecord, VitalChange, VitalState
from daemon.vitals.alarms import RETRAIN

HOW_TO_RETRAIN = "papertape does not retrain by itself: papertape train --bars ... --to ..."


def tell(batches: Sequence[BatchRecord]) -> None:
    """Log every change of a vital and of the trading state in batches that are durable."""
    log = structlog.get_logger()
    for record in batches:
        for change in record.vitals:
            _tell_vital(log, change)
        for moved in record.changes:
            log.warning(
                "trading_state",
                minute=moved.minute,
                before=moved.before.value,
                after=moved.after.value,
                cause=moved.cause,
            )


def _tell_vital(log: structlog.stdlib.BoundLogger, change: VitalChange) -> None:
    about = {
        "minute": change.minute,
        "vital": change.vital,
        "subject": change.subject,
        "value": change.value,
        "bound": change.bound,
        "cause": change.cause,
        "consequences": change.consequences,
    }
    if change.after is VitalState.CLEAR:
        log.info("alarm_ended", **about)
        return
    log.warning("alarm" if change.before is VitalState.CLEAR else "alarm_consequences_changed", **about)
    if RETRAIN in change.consequences.split(","):
        log.warning(
            "retraining_asked",
            minute=change.minute,
            vital=change.vital,
            subject=change.subject,
            hint=HOW_TO_RETRAIN,
        )
