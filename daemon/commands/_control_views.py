"""What the control API says of a run: read from the engine between two chunks, put into its answers."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.control import answers as a
from daemon.commands._in_json import known, moment
from daemon.policy.reasons import Reason
from daemon.vitals.forms import CALIBRATED
from daemon.vitals.verdict import verdict

if TYPE_CHECKING:
    from adapters.tape.newest import Fate
    from daemon.challenger import ChallengerFigures
    from daemon.commands._views import Watcher
    from daemon.engine import Engine
    from daemon.events import BatchRecord, Fill, Order
    from daemon.live import LiveRun
    from daemon.vitals.alarms import Alarm
    from daemon.vitals.drift import DriftFigures
    from daemon.vitals.intervals import Interval
    from daemon.vitals.skill import SkillFigures


def state_of(
    engine: "Engine", watcher: "Watcher", live: "LiveRun", newest: "BatchRecord | None", version: str
) -> a.State:
    """Return what the run is; its age and what waits are told when somebody asks."""
    run, equity = engine.run, watcher.equity
    book = None if newest is None else newest.book
    return a.State(
        run=run.settings.run.name,
        version=version,
        minute=moment(engine.minute) if engine.batch else None,
        age_seconds=None,
        batch=engine.batch,
        catch_up=newest is not None and newest.catch_up,
        mode=run.trading.mode.value,
        causes=[a.Cause(cause=cause, mode=mode.value) for cause, mode in run.trading.causes.items()],
        model=run.model.version,
        instruments=len(run.names),
        quote=run.settings.run.quote,
        equity=f"{equity.expected:f}",
        best=f"{equity.best:f}",
        worst=f"{equity.worst:f}",
        day=f"{watcher.day:f}",
        cash=None if book is None else f"{book.cash:f}",
        realised=None if book is None else f"{book.realised:f}",
        fees=None if book is None else f"{book.fees:f}",
        gross_ratio=None if book is None else book.gross,
        net_ratio=None if book is None else book.net,
        drawdown_ratio=None if book is None else book.drawdown,
        positions=len(run.desk.account.ledger.positions),
        feeds=[a.FeedState(feed=feed, lost_instruments=lost) for feed, lost in live.sequencer.lost.items()],
        queued_messages=0,
        alarms=alarms_of(run.alarms.standing.values()),
        waiting_commands=0,
    )


def positions_of(engine: "Engine", watcher: "Watcher") -> a.Positions:
    """Return what is held."""
    return a.Positions(
        minute=moment(engine.minute) if engine.batch else None,
        positions=[
            a.Position(
                instrument=held.instrument,
                quantity=f"{held.quantity:f}",
                weight_ratio=held.weight,
                unrealised=f"{held.unrealised:f}",
                mark_age_minutes=held.mark_age_minutes,
            )
            for held in watcher.positions()
        ],
    )


def vitals_of(engine: "Engine") -> a.Vitals:
    """Return whether the model works; it has intervals, which cost milliseconds."""
    run = engine.run
    trades, edges, health = run.trades.figures(), run.edges.figures(), run.health.figures()
    calibration = {(one.name, one.form): one for one in health.calibration}
    experts = []
    for skill in run.skill.figures():
        judged = calibration.get((skill.name, skill.form))
        weight = engine.weights.get(skill.name) if skill.form == CALIBRATED else None
        experts.append(
            _expert(
                skill,
                weight=weight,
                brier=None if judged is None else known(judged.brier),
                ece=None if judged is None else known(judged.ece),
            )
        )
    return a.Vitals(
        minute=moment(engine.minute) if engine.batch else None,
        verdict=verdict(trades),
        experts=experts,
        drift=[_drift(subject, figures) for subject, figures in sorted(health.drift.items())],
        trades=a.TradesVital(
            count=trades.count,
            gross_bps=known(trades.gross_bps) if trades.count else None,
            cost_bps=known(trades.cost_bps) if trades.count else None,
            net_bps=estimate(trades.interval),
        ),
        signals=edges.signals,
        edge_predicted_ratio=estimate(edges.predicted),
        edge_realised_ratio=estimate(edges.realised),
        alarms=alarms_of(run.alarms.standing.values()),
    )


def models_of(
    engine: "Engine",
    uri: str,
    challenger: "ChallengerFigures | None" = None,
    refused: Iterable[tuple[str, str]] = (),
) -> a.Models:
    """Return what trades, what is scored beside it, and the (version, reason) of what was refused."""
    model = engine.run.model
    bundle = model.bundle
    end = bundle.ranges.get("end")
    return a.Models(
        trading=a.ModelState(
            version=model.version,
            name=bundle.name,
            uri=uri,
            trained_at=None if bundle.trained_at is None else datetime.fromtimestamp(bundle.trained_at, UTC),
            data_end=None if end is None else moment(end),
            labels=bundle.labels.model_dump(mode="json"),
            horizon_minutes=model.horizon_minutes,
            features=list(model.plan.names),
            schema_hash=bundle.schema.hash,
            experts=list(bundle.experts),
        ),
        known=sorted(set(engine.library) - {model.version}),
        challenger=None if challenger is None else _challenger(challenger),
        refused=[a.ModelRefused(version=version, reason=reason) for version, reason in refused],
    )


def _challenger(figures: "ChallengerFigures") -> a.ChallengerState:
    champion = figures.champion
    return a.ChallengerState(
        version=figures.version,
        since=moment(figures.since),
        labels=figures.skill.rows,
        skill_nats=estimate(figures.skill.skill_interval),
        champion_skill_nats=None if champion is None else estimate(champion.skill_interval),
        gain_nats=estimate(figures.gain),
    )


def order_of(fate: "Fate") -> a.Order:
    """Return an order of the tape and what became of it."""
    made = order_made(fate.order)
    fills = [
        a.OrderFill(
            minute=moment(fill.minute),
            quantity=f"{fill.quantity:f}",
            price=f"{fill.price:f}",
            fee=f"{fill.fee:f}",
            realised=f"{fill.realised:f}",
        )
        for fill in fate.fills
    ]
    if fate.end is not None:
        unfilled, reason = f"{fate.end.unfilled:f}", fate.end.reason
        return made.model_copy(
            update={"status": "ended", "fills": fills, "unfilled": unfilled, "ended_by": reason}
        )
    whole = sum((fill.quantity for fill in fate.fills), start=0 * fate.order.quantity) == fate.order.quantity
    return made.model_copy(update={"status": "filled" if whole else "waiting", "fills": fills})


def order_made(order: "Order") -> a.Order:
    """Return an order of which nothing became yet."""
    return a.Order(
        id=order.id,
        minute=moment(order.minute),
        instrument=order.instrument,
        quantity=f"{order.quantity:f}",
        reason=order.reason,
        status="waiting",
        fills=[],
        unfilled=None,
        ended_by=None,
    )


def fill_of(fill: "Fill") -> a.Fill:
    """Return a fill of the tape."""
    return a.Fill(
        order_id=fill.order_id,
        minute=moment(fill.minute),
        instrument=fill.instrument,
        kind=fill.kind.value,
        quantity=f"{fill.quantity:f}",
        price=f"{fill.price:f}",
        best=f"{fill.best:f}",
        worst=f"{fill.worst:f}",
        fee=f"{fill.fee:f}",
        realised=f"{fill.realised:f}",
    )


def decision_of(minute: int, instrument: str, row: np.void) -> a.Decision:
    """Return a decision of the tape."""
    names = row.dtype.names or ()
    experts = names[1 : names.index("blend")]
    reason = Reason(int(row["reason"]))
    return a.Decision(
        minute=moment(minute),
        instrument=instrument,
        blend=_probabilities(row["blend"]),
        experts={name: _probabilities(row[name]) for name in experts},
        edge_ratio=known(float(row["edge"])),
        sigma_ratio=known(float(row["sigma"])),
        target_weight_ratio=known(float(row["target"])),
        reason=reason.label,
        because=reason.meaning,
    )


def alarms_of(standing: Iterable["Alarm"]) -> list[a.AlarmState]:
    """Return the vitals that are out of their bounds."""
    return [
        a.AlarmState(
            vital=alarm.vital,
            subject=alarm.subject,
            since=moment(alarm.since),
            value=known(alarm.value),
            bound=known(alarm.bound),
            cause=alarm.cause,
            consequences=list(alarm.consequences),
        )
        for alarm in standing
    ]


def estimate(interval: "Interval | None") -> a.Estimate | None:
    """Return a mean with its interval, or None while there is too little to tell."""
    if interval is None or not all(map(isfinite, (interval.mean, interval.low, interval.high))):
        return None
    return a.Estimate(mean=interval.mean, low=interval.low, high=interval.high)


def masked(settings: Mapping[str, Any], mask: Any) -> dict[str, Any]:
    """Return plain settings with the passwords in addresses masked; what is a secret by type is already."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        return mask(value) if isinstance(value, str) else value

    return {name: clean(section) for name, section in settings.items()}


def _expert(
    skill: "SkillFigures", *, weight: float | None, brier: float | None, ece: float | None
) -> a.ExpertVital:
    return a.ExpertVital(
        expert=skill.name,
        form=str(skill.form),
        labels=skill.rows,
        weight_ratio=weight,
        accuracy_ratio=known(skill.accuracy),
        majority_accuracy_ratio=known(skill.majority),
        skill_nats=estimate(skill.skill_interval),
        information_coefficient=estimate(skill.ic),
        brier=brier,
        calibration_error_ratio=ece,
    )


def _drift(subject: str, figures: "DriftFigures") -> a.DriftVital:
    return a.DriftVital(
        subject=subject,
        in_alarm=figures.in_alarm,
        judged_hours=figures.judged_hours,
        alarm_hours=figures.alarm_hours,
        out=[feature.name for feature in figures.features if feature.out],
    )


def _probabilities(row: np.ndarray) -> a.Probabilities | None:
    down, flat, up = row.tolist()
    return a.Probabilities(down=down, flat=flat, up=up) if isfinite(down + flat + up) else None
