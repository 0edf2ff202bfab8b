"""`papertape ctl`: a live run seen and ordered about from a terminal, over its control API."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daemon.commands._settings import config_option

if TYPE_CHECKING:
    from adapters.control.client import ControlClient

Function = TypeVar("Function", bound=Callable[..., object])


@click.group()
def command() -> None:
    """See a live run and order it about, over its control API (control.enabled: true).

    The address and the token come from --config and the environment, as for `papertape run`, or from --url
    and PAPERTAPE_CONTROL__TOKEN or PAPERTAPE_CONTROL__TOKEN_FILE. 0: done; 1: nobody answers, or it cannot
    be done now; 2: token, address or certificate are wrong.
    """


def _reaching(function: Function) -> Function:
    """Give a command the options that say whom to ask, as one argument `client`, and `as_json`."""
    from functools import update_wrapper

    def call(config_file: Path | None, url: str | None, ca_file: Path | None, **rest: Any) -> object:
        from daemon.commands._ctl import client_for

        return function(client=client_for(config_file, url, ca_file), **rest)

    wrapped: Any = update_wrapper(call, function)
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the API's answer as it is."),
        click.option(
            "--ca", "ca_file", type=click.Path(path_type=Path), help="Who signed the API's certificate (PEM)."
        ),
        click.option("--url", help="Of the API; default: as the settings say."),
        config_option,
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]  # click's options return what they are given


def _paged(function: Function) -> Function:
    """Give a command the options of a page."""
    for option in (
        click.option(
            "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Most rows."
        ),
        click.option("--before", help="What the page before named, for the one after it."),
        click.option("--instrument", help="Only of this one, venue:SYMBOL."),
    ):
        function = option(function)
    return function


def _show(answer: dict[str, Any], *, as_json: bool, name: str) -> None:
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    from daemon.commands._ctl_tables import draw

    draw(name, answer)


@command.command()
@_reaching
def status(client: "ControlClient", *, as_json: bool) -> None:
    """How far the run is, in which trading state, at what equity, and what is wrong."""
    _show(client.get("/api/state"), as_json=as_json, name="status")


@command.command()
@_reaching
def positions(client: "ControlClient", *, as_json: bool) -> None:
    """What is held."""
    _show(client.get("/api/positions"), as_json=as_json, name="positions")


@command.command()
@_paged
@_reaching
def orders(
    client: "ControlClient", limit: int, before: str | None, instrument: str | None, *, as_json: bool
) -> None:
    """Paper orders and what became of them, newest first."""
    answer = client.get("/api/orders", limit=limit, before=before, instrument=instrument)
    _show(answer, as_json=as_json, name="orders")


@command.command()
@_paged
@_reaching
def decisions(
    client: "ControlClient", limit: int, before: str | None, instrument: str | None, *, as_json: bool
) -> None:
    """What was thought of each instrument each minute, and why it was traded or not."""
    answer = client.get("/api/decisions", limit=limit, before=before, instrument=instrument)
    _show(answer, as_json=as_json, name="decisions")


@command.command()
@_reaching
def vitals(client: "ControlClient", *, as_json: bool) -> None:
    """Whether the model works."""
    _show(client.get("/api/vitals"), as_json=as_json, name="vitals")


@command.command()
@_reaching
def models(client: "ControlClient", *, as_json: bool) -> None:
    """The model that trades."""
    _show(client.get("/api/models"), as_json=as_json, name="models")


@command.command()
@_reaching
def settings(client: "ControlClient", *, as_json: bool) -> None:
    """The settings in force, secrets masked."""
    _show(client.get("/api/settings"), as_json=as_json, name="settings")


def _order(name: str, meaning: str) -> None:
    @command.command(name, help=meaning)
    @click.option("--by", help="Who asks; it stands on the tape. Default: the user's name.")
    @click.option(
        "--wait",
        "wait_s",
        default=180.0,
        show_default=True,
        type=click.FloatRange(min=0),
        help="Wait so many seconds for its minute; 0: say at once that it waits.",
    )
    @_reaching
    def ordered(client: "ControlClient", by: str | None, wait_s: float, *, as_json: bool) -> None:
        from daemon.commands._ctl import carried_out

        answer = carried_out(client, name, by, wait_s, say=not as_json and sys.stderr.isatty())
        _show(answer, as_json=as_json, name="ordered")
        if answer["status"] == "lost":
            raise click.exceptions.Exit(1)


_order("pause", "Enter nothing any more; what is held is held to its horizon. `resume` ends it.")
_order("resume", "Trade again; drawdown and daily loss are measured anew from the present equity.")
_order("freeze", "Order nothing at all, exits included. `resume` ends it.")
_order("flatten", "Close every position at the next open, and enter nothing until `resume`.")


@command.command()
@click.option("--by", help="Who asks; it stands in the log. Default: the user's name.")
@_reaching
def reload(client: "ControlClient", by: str | None, *, as_json: bool) -> None:
    """Read the run's settings file again; it is applied whole or rejected whole (exit code 2)."""
    from daemon.commands._ctl import RELOAD_S, who_asks

    answer = client.post("/api/reload", {"by": who_asks(by)}, RELOAD_S)
    _show(answer, as_json=as_json, name="reload")
    if answer["result"] == "rejected":
        raise click.exceptions.Exit(2)


@command.command()
@_reaching
def snapshot(client: "ControlClient", *, as_json: bool) -> None:
    """Put a snapshot of the run's state on its tape now: a start after a kill begins there."""
    _show(client.post("/api/snapshot"), as_json=as_json, name="snapshot")
