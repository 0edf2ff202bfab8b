"""The control API joined to a run: what it says, what its commands do, and what it is refused to be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr, ValidationError

from adapters.control import answers as a
from adapters.control.client import ControlClient
from adapters.control.guard import Refused
from adapters.prometheus.live import CONTROL_FAMILIES
from daemon.__main__ import main
from daemon.challenger import ChallengerFigures
from daemon.commands._control import Control
from daemon.commands._control_orders import MOST_ORDERS, REMEMBERED, Commands
from daemon.commands._control_start import control_of, token_of
from daemon.commands._control_views import (
    masked,
    models_of,
    positions_of,
    state_of,
    vitals_of,
)
from daemon.commands._in_json import known, moment
from daemon.commands._views import Watcher
from daemon.errors import ControlError, ControlUnreachableError, FeedError
from daemon.events import AnyEvent, BatchRecord, Command, CommandKind, TradingMode
from daemon.live import Onlookers
from daemon.settings import ControlSettings, Settings, is_loopback
from daemon.vitals.intervals import Interval
from tests.daemon.test_live import Played
from tests.runs import SETTINGS, cut, decided, first_traded, fresh_engine, traded

if TYPE_CHECKING:
    from daemon.commands._live import Session

WORLD = "0.0.0.0"  # noqa: S104 - never bound to
FILE = "a-file"
NOW = datetime(2024, 1, 2, tzinfo=UTC)
TOKEN = "sixteen-or-more-characters"  # noqa: S105 - of a test


# --- what it says ---


def test_state_positions_vitals_and_models_are_those_of_the_engine() -> None:
    engine = fresh_engine()
    live = Played(engine=engine).live
    watcher = Watcher(engine, first_traded(), first_traded() + 240)
    before = state_of(engine, watcher, live, None, "1")
    assert (before.minute, before.cash, before.mode) == (None, None, "normal")
    assert before.equity == f"{SETTINGS.run.capital:f}"
    assert positions_of(engine, watcher) == a.Positions(minute=None, positions=[])

    batches, _ = decided(engine, cut(traded(240), [100]))
    watcher.see(batches)
    last = batches[-1]
    state = state_of(engine, watcher, live, last, "1")
    assert (state.minute, state.batch) == (moment(last.minute), 240)
    assert (state.equity, state.best, state.worst) == (
        f"{last.book.equity:f}",
        f"{last.book.best:f}",
        f"{last.book.worst:f}",
    )
    held = {one.instrument: one.quantity for one in positions_of(engine, watcher).positions}
    assert held == {
        engine.run.names[i]: f"{position.quantity:f}"
        for i, position in engine.run.desk.account.ledger.positions.items()
    }
    assert state.positions == len(held) > 0

    vitals = vitals_of(engine)
    calibrated = {one.expert: one for one in vitals.experts if one.form == "calibrated"}
    assert set(calibrated) == {*engine.run.panel.names, "blend"}
    weights = [one.weight_ratio for name, one in calibrated.items() if name != "blend"]
    assert sum(weight for weight in weights if weight is not None) == pytest.approx(1.0)
    assert all(one.labels > 0 and one.brier is not None for one in calibrated.values())
    assert vitals.trades.count == engine.run.trades.figures().count

    models = models_of(engine, "models:/x@champion")
    assert models.trading.experts == list(engine.run.panel.names)
    assert models.known == ["2"]
    assert models.trading.data_end is not None
    skill, drift = engine.run.skill.figures()[-1], engine.run.health.figures().calibration[-1]
    beside = ChallengerFigures("2", last.minute, skill, drift, None, Interval(0.01, -0.02, 0.04))
    challenger = models_of(engine, "models:/x@champion", beside).challenger
    assert challenger is not None
    assert (challenger.labels, challenger.champion_skill_nats) == (skill.rows, None)
    assert challenger.gain_nats == a.Estimate(mean=0.01, low=-0.02, high=0.04)


def test_every_answer_survives_json() -> None:
    engine = fresh_engine()
    vitals = vitals_of(engine)
    assert a.Vitals.model_validate_json(vitals.model_dump_json()) == vitals
    assert known(float("nan")) is known(float("inf")) is None


def test_passwords_in_addresses_are_masked_wherever_they_stand() -> None:
    plain = {"model": {"registry": "secret"}, "a": {"b": [{"c": "secret", "d": 1}]}, "e": {"f": None}}
    assert masked(plain, lambda text: text.replace("secret", "*")) == {
        "model": {"registry": "*"},
        "a": {"b": [{"c": "*", "d": 1}]},
        "e": {"f": None},
    }


# --- what commands do ---


class Commanded(Played):
    """A live run that is given commands after some of its batches."""

    def order_at(self, batches: dict[a.CommandName, int], wait_seconds: float = 60.0) -> Commands:
        commands = Commands(self.engine, self.live.submit)
        self.given: dict[a.CommandName, asyncio.Task[a.Ordered]] = {}

        def give(records: Sequence[BatchRecord]) -> None:
            commands.see(records)
            for name, batch in batches.items():
                if records[-1].batch >= batch and name not in self.given:
                    self.given[name] = asyncio.ensure_future(commands.give(name, "ann", NOW, wait_seconds))

        self.live._onlookers = Onlookers((self.sink, give, self.feed.see))
        return commands


async def test_a_command_is_answered_with_what_it_did_to_the_trading_state() -> None:
    live = Commanded(n_minutes=40)
    commands = live.order_at({"pause": 10, "resume": 20})
    await live.play()
    paused, resumed = await live.given["pause"], await live.given["resume"]
    assert (paused.status, paused.before, paused.after) == ("done", "normal", "no_entry")
    assert (resumed.status, resumed.before, resumed.after) == ("done", "no_entry", "normal")
    events = {record.batch: record.events for record in live.records if record.events}
    assert [moment(live.records[batch - 1].minute) for batch in events] == [paused.minute, resumed.minute]
    assert [one.by for one in commands.shown] == ["control ann", "control ann"]
    assert [one.id for one in commands.shown] == [2, 1]


async def test_a_flatten_is_done_when_nothing_is_held_and_names_the_orders_that_closed() -> None:
    live = Commanded(n_minutes=60)
    live.order_at({"flatten": 40})
    await live.play()
    flat = await live.given["flatten"]
    assert (flat.status, flat.after, flat.positions) == ("done", "flatten", 0)
    made = [order for record in live.records for order in record.orders if order.reason == "flatten"]
    assert [one.id for one in flat.orders] == [order.id for order in made]
    assert len(made) > 0
    fills = {fill.order_id: fill for record in live.records for fill in record.fills}
    for one in flat.orders:
        assert (one.status, one.unfilled) == ("filled", None)
        assert one.fills[0].price == f"{fills[one.id].price:f}"
    # The positions are gone only at the open after the one that decided it.
    assert live.records[-1].book.mode is TradingMode.FLATTEN
    assert live.records[-1].book.gross == 0.0


async def test_a_flatten_that_is_called_off_before_its_positions_are_closed_is_done_too() -> None:
    live = Commanded(n_minutes=60)
    # Both enter before the same minute: the second ends what the first began.
    live.order_at({"flatten": 40, "resume": 40})
    await live.play()
    flat = await live.given["flatten"]
    assert (flat.status, flat.orders) == ("done", [])
    assert flat.positions
    assert live.records[-1].book.mode is TradingMode.NORMAL


async def test_a_command_whose_minute_never_comes_is_lost() -> None:
    live = Commanded(n_minutes=5)
    commands = live.order_at({"freeze": 5})
    await live.play()
    await asyncio.sleep(0)
    commands.end()
    assert (await live.given["freeze"]).status == "lost"
    assert commands.shown[0].status == "lost"


async def test_a_command_that_nobody_waits_for_is_answered_at_once() -> None:
    live = Commanded(n_minutes=40)
    commands = live.order_at({"pause": 10}, wait_seconds=0.0)
    await live.play()
    at_once = await live.given["pause"]
    assert (at_once.status, at_once.minute, at_once.after) == ("waiting", None, None)
    assert commands.shown[0].status == "done"


async def test_too_many_commands_are_refused_and_not_remembered() -> None:
    async def full(_event: AnyEvent) -> None:
        raise FeedError("100 events wait already")

    commands = Commands(fresh_engine(), full)
    with pytest.raises(Refused) as refused:
        await commands.give("pause", "", NOW, 0.0)
    assert (refused.value.status, refused.value.what) == (503, "100 events wait already")
    assert commands.shown == ()


async def test_only_the_newest_commands_are_remembered() -> None:
    submitted: list[AnyEvent] = []

    async def keep(event: AnyEvent) -> None:
        submitted.append(event)

    commands = Commands(fresh_engine(), keep)
    for _ in range(REMEMBERED + 5):
        await commands.give("pause", "", NOW, 0.0)
    assert [one.id for one in commands.shown] == list(range(REMEMBERED + 5, 5, -1))
    assert submitted[0] == Command(command=CommandKind.PAUSE, by="control")
    assert MOST_ORDERS >= REMEMBERED


# --- what it answers while the run is busy, and when it ends ---


@pytest.fixture
async def served(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Control, Played, str]]:
    """The API of a live run that has not begun, and where it answers; the parameter is its host."""
    live = Played(n_minutes=20)
    host = getattr(request, "param", "127.0.0.1")
    section = ControlSettings(enabled=True, host=host, port=0, token=SecretStr(TOKEN))
    settings = SETTINGS.model_copy(update={"control": section})
    with control_of(settings) as control:
        assert control is not None
        meter, heard_by = SimpleNamespace(), list[Callable[[str, str], None]]()
        session = SimpleNamespace(
            engine=live.engine,
            live=live.live,
            watcher=Watcher(live.engine, first_traded(), first_traded() + 20),
            meter=meter,
            tape_place=Path("missing.tape"),
            reloader=None,
            shown=None,
            models=SimpleNamespace(
                uri="models:/x@champion", challenger=SimpleNamespace(figures=None), heard_by=heard_by
            ),
        )
        live.live._onlookers = control.joined(cast("Session", session), live.clock, live.live._onlookers)
        async with control.serving():
            assert meter.control is control
            for hear in heard_by:
                hear("9", "its labels differ")
            yield control, live, control._server.url


def arrivals(live: Played) -> list[asyncio.Event]:
    """Set when a command, and when the wish for a snapshot, has come to the run."""
    events = []
    for name in ("submit", "snapshot"):
        come = asyncio.Event()
        method = getattr(live.live, name)

        async def noted(*given: object, come: asyncio.Event = come, method: Any = method) -> object:
            come.set()
            return await method(*given)

        setattr(live.live, name, noted)
        events.append(come)
    return events


async def test_it_answers_while_the_runs_event_loop_hangs(served: tuple[Control, Played, str]) -> None:
    _, _, url = served
    client = ControlClient(url, TOKEN)
    with ThreadPoolExecutor(1) as person:
        asked = person.submit(
            lambda: [client.get(f"/api/{name}") for name in ("state", "vitals", "commands")]
        )
        # This blocks the loop: nothing of the run's moves until the answers are there.
        state, vitals, commands = asked.result(30)
    assert state["mode"] == "normal"
    assert vitals["verdict"].startswith("too few")
    assert commands == {"commands": []}


@pytest.mark.parametrize("served", ["127.0.0.2", "LocalHost"], indirect=True)
async def test_on_loopback_it_answers_at_the_address_that_it_is_given(
    served: tuple[Control, Played, str],
) -> None:
    _, _, url = served
    state = await asyncio.to_thread(ControlClient(url, TOKEN).get, "/api/state")
    assert state["mode"] == "normal"


async def test_a_run_goes_on_though_it_cannot_be_shown(
    served: tuple[Control, Played, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    control, _, _ = served
    monkeypatch.setattr(control._session, "watcher", None)
    control.see(())
    assert control._surviving.drops == 1


async def test_an_order_that_a_hanging_run_does_not_take_is_refused(
    served: tuple[Control, Played, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, url = served
    monkeypatch.setattr("daemon.commands._control.PATIENCE_S", 0.05)
    client = ControlClient(url, TOKEN)
    with ThreadPoolExecutor(1) as person:
        asked = person.submit(client.post, "/api/pause")
        with pytest.raises(ControlUnreachableError, match="did not answer within"):
            asked.result(30)


async def test_what_the_run_cannot_do_is_said(served: tuple[Control, Played, str]) -> None:
    control, live, url = served
    client = ControlClient(url, TOKEN)
    with pytest.raises(ControlUnreachableError, match="reads no settings again"):
        await asyncio.to_thread(client.post, "/api/reload")
    with pytest.raises(ControlUnreachableError, match="there is no tape"):
        await asyncio.to_thread(client.get, "/api/orders")
    came = arrivals(live)
    early = asyncio.ensure_future(asyncio.to_thread(client.post, "/api/snapshot"))
    waiting = asyncio.ensure_future(asyncio.to_thread(client.post, "/api/pause?wait_seconds=60"))
    await asyncio.gather(*(come.wait() for come in came))
    await live.play()
    with pytest.raises(ControlUnreachableError, match="no minute has been decided"):
        await early
    assert (await waiting)["status"] == "done"
    state = await asyncio.to_thread(client.get, "/api/state")
    assert (state["batch"], state["mode"]) == (20, "no_entry")
    models = await asyncio.to_thread(client.get, "/api/models")
    assert models["refused"] == [{"version": "9", "reason": "its labels differ"}]
    figures = control.figures()
    assert set(figures) == {family.name for family in CONTROL_FAMILIES}
    assert figures["control_requests_total"]["/api/pause", "200"] == 1.0


async def test_whoever_waits_when_the_run_ends_is_told(served: tuple[Control, Played, str]) -> None:
    _, live, url = served
    client, came = ControlClient(url, TOKEN), arrivals(live)
    waiting = asyncio.ensure_future(asyncio.to_thread(client.post, "/api/flatten?wait_seconds=60"))
    snapshot = asyncio.ensure_future(asyncio.to_thread(client.post, "/api/snapshot"))
    await asyncio.gather(*(come.wait() for come in came))
    live.stop.set()
    await live.live.run(live.stop)
    assert (await waiting)["status"] == "lost"
    with pytest.raises(ControlUnreachableError, match="the run is ending"):
        await snapshot


async def test_a_figure_that_cannot_be_made_does_not_end_the_run(
    served: tuple[Control, Played, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, live, _ = served

    def broken(*_arguments: object) -> a.State:
        raise ZeroDivisionError

    monkeypatch.setattr("daemon.commands._control.state_of", broken)
    await live.play()
    assert len(live.records) == 20


# --- how it begins ---


def test_beyond_loopback_it_is_refused_without_token_and_tls() -> None:
    with pytest.raises(ValidationError, match=r"needs a token .* and TLS"):
        ControlSettings(enabled=True, host=WORLD)
    with pytest.raises(ValidationError, match=r"which needs TLS"):
        ControlSettings(enabled=True, host="10.0.0.1", token=SecretStr(TOKEN))
    with pytest.raises(ValidationError, match=r"which needs a token"):
        ControlSettings(enabled=True, host="trader", cert_file="c", key_file="k")
    ControlSettings(enabled=True, host="::", token_file=FILE, cert_file="c", key_file="k")
    ControlSettings(enabled=False, host=WORLD)


def test_other_halves_of_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="go together"):
        ControlSettings(cert_file="c")
    with pytest.raises(ValidationError, match="keep one"):
        ControlSettings(token=SecretStr(TOKEN), token_file=FILE)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LocalHost", True),
        (WORLD, False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_what_is_loopback(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_token_comes_from_the_settings_or_a_file_and_must_be_long(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    assert token_of(ControlSettings()) is None
    assert token_of(ControlSettings(token=SecretStr(TOKEN))) == TOKEN
    assert token_of(ControlSettings(token_file=str(file))) == TOKEN
    for short in ("fifteen-letters", "ünprintable-as-header"):
        with pytest.raises(ControlError, match="at least 16 characters of plain text"):
            token_of(ControlSettings(token=SecretStr(short)))
    with pytest.raises(ControlError, match="No such file"):
        token_of(ControlSettings(token_file=str(tmp_path / "missing")))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ControlError, match="not UTF-8"):
        token_of(ControlSettings(token_file=str(file)))


def test_it_is_not_there_unless_the_settings_want_it() -> None:
    with control_of(SETTINGS) as control:
        assert control is None
    enabled = SETTINGS.model_copy(update={"control": ControlSettings(enabled=True, port=0)})
    with control_of(enabled) as control:
        assert isinstance(control, Control)
        assert control.figures() == {}


def test_a_run_says_at_once_that_its_api_must_not_be_open_to_the_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "open.yaml"
    config.write_text("universe: {instruments: [BTCUSDT]}\ncontrol:\n  enabled: true\n  host: 0.0.0.0\n")
    assert main(["run", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert "open.yaml:2: control: host 0.0.0.0 can be reached from other machines" in said
    assert "PAPERTAPE_CONTROL__TOKEN" in said
    assert list(tmp_path.iterdir()) == [config]


def test_the_identity_of_a_run_has_nothing_of_its_api() -> None:
    other = Settings(control=ControlSettings(enabled=True, port=1, token=SecretStr(TOKEN)))
    assert other.identity_json() == Settings().identity_json()
    assert TOKEN not in other.model_dump_json()
