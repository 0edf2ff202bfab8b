"""`papertape models`: the versions of a model in the registry, which trades, and moving that."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from daemon.commands._settings import config_option, open_settings

if TYPE_CHECKING:
    from adapters.registry import MlflowStore
    from daemon.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])


@click.group()
def command() -> None:
    """See the versions of a model in the registry, and say which is to trade.

    A running daemon watches the alias of model.uri: when it moves, the version is loaded and checked beside
    the one that trades, and swapped in between two minutes, or refused with its reason in the log.
    """


def _of_model(function: Function) -> Function:
    """Give a command the options that say which model."""
    named = click.option("--name", help="Of the model; default: that of model.uri.")
    return config_option(named(function))


@command.command("list")
@_of_model
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array instead of lines.")
def list_(config_file: Path | None, name: str | None, *, as_json: bool) -> None:
    """Show every version: aliases, when it was registered, what it learned from, and how it did."""
    model = _model(config_file, name)
    records = model.store.versions(model.name)
    if as_json:
        click.echo(json.dumps([asdict(record) for record in records], indent=2))
        return
    from daemon.commands._model_table import lines

    for line in lines(records, model.alias if model.trades else None):
        click.echo(line)
    if model.trades:
        click.echo(f"* what {model.uri} points at: it trades, or a running daemon's log says why not")


@command.command()
@click.argument("version")
@_of_model
@click.option("--alias", help="Default: that of model.uri, or champion.")
def promote(version: str, config_file: Path | None, name: str | None, alias: str | None) -> None:
    """Let VERSION trade: point the alias of model.uri at it."""
    model = _model(config_file, name)
    alias = alias or model.alias
    before = model.store.promote(model.name, alias, version)
    _tell_move(model, alias, before, version, "rollback")


@command.command()
@_of_model
@click.option("--alias", help="Default: that of model.uri, or champion.")
def rollback(config_file: Path | None, name: str | None, alias: str | None) -> None:
    """Let the version before trade again: point the alias at where it pointed before its last move.

    Where that was stands on a tag of the registered model, papertape.before.ALIAS, which train, pack and
    promote write; moves on MLflow's own page are not on it. May be repeated, to go back further.
    """
    model = _model(config_file, name)
    alias = alias or model.alias
    before, version = model.store.roll_back(model.name, alias)
    _tell_move(model, alias, before, version, f"promote {before}")


@command.command()
@click.argument("version", required=False)
@click.option("--clear", is_flag=True, help="Take the alias away: nobody is scored beside what trades.")
@_of_model
def challenge(version: str | None, config_file: Path | None, name: str | None, *, clear: bool) -> None:
    """Score VERSION beside the one that trades: point the alias challenger at it. It does not trade."""
    if clear == (version is not None):
        message = "name a VERSION, or give --clear"
        raise click.UsageError(message)
    model = _model(config_file, name)
    alias = _watched_alias(model) or CHALLENGER
    if version is None:
        before = model.store.clear(model.name, alias)
        became = "was not set" if before is None else f"version {before}, cleared"
        click.echo(f"models:/{model.name}@{alias}: {became}")
        return
    before = model.store.promote(model.name, alias, version)
    _tell_move(model, alias, before, version, "challenge --clear")
    watched = model.settings.model.challenger
    if watched != f"models:/{model.name}@{alias}":
        click.echo(
            f"model.challenger is {watched or 'null'}: set it to models:/{model.name}@{alias} "
            "for a daemon to heed it"
        )


def _watched_alias(model: "_Model") -> str | None:
    """Return the alias that model.challenger watches of this model; None if it watches another, or none."""
    from adapters.registry import address_of

    watched = address_of(model.settings.model.challenger or "")
    return watched.alias if watched is not None and watched.name == model.name else None


CHALLENGER = "challenger"
CHAMPION = "champion"


class _Model(NamedTuple):
    """Which model is spoken of; `trades` says whether it is that of model.uri."""

    store: "MlflowStore"
    settings: "Settings"
    uri: str
    name: str
    alias: str
    trades: bool


def _model(config_file: Path | None, name: str | None) -> _Model:
    """Return the model that the settings or --name name.

    Raises:
        UserError: The settings name a folder, which has no versions.
        ModelNotFoundError: They name what is no address.
    """
    settings = open_settings(config_file)
    from adapters.registry import MlflowStore, address_of, demand_address, is_registered
    from daemon.errors import UserError

    uri = settings.model.uri
    if name is None and not is_registered(uri):
        raise UserError(
            f"model.uri is the folder {uri}, and a folder has no versions: a daemon on it takes what is "
            "put there. For a registered model give --name, or models:/NAME@ALIAS as model.uri."
        )
    name = name or demand_address(uri).name
    usual = address_of(uri)
    alias = usual.alias if usual is not None else None
    store = MlflowStore(settings.model.registry)
    trades = usual is not None and usual.alias is not None and usual.name == name
    return _Model(store, settings, uri, name, alias or CHAMPION, trades)


def _tell_move(model: _Model, alias: str, before: str | None, version: str, undo: str) -> None:
    if before == version:
        click.echo(f"models:/{model.name}@{alias} points at version {version} already")
        return
    came = "new" if before is None else f"version {before}"
    click.echo(f"models:/{model.name}@{alias}: {came} -> version {version}")
    if model.trades and alias == model.alias:
        every_s = model.settings.model.watch_seconds
        heed = (
            f"a running daemon looks every {every_s:g} s"
            if every_s
            else "no daemon looks (model.watch_seconds)"
        )
        click.echo(f"{heed}; back again: papertape models {undo}")
