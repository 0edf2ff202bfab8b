"""`papertape config`: check, show and describe settings."""

import json
import os
from pathlib import Path

import click


@click.group()
def command() -> None:
    """Check, show and describe settings."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check FILE, and what the environment overrides, and name every problem with its line."""
    from adapters.files.settings_file import read_settings

    loaded = read_settings(file, os.environ)
    count = len(loaded.origins)
    note = f" ({count} setting{'s' * (count > 1)} from the environment)" if count else ""
    click.echo(f"{file}: valid{note}")


@command.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--describe", is_flag=True, help="Say above each setting what it means.")
def show(file: Path | None, *, describe: bool) -> None:
    """Print the settings in effect: defaults, FILE, environment. Secrets are masked.

    Without FILE, the defaults and the environment. What --describe prints is a file to begin with.
    """
    from adapters.files.settings_file import read_settings
    from adapters.files.settings_text import render

    loaded = read_settings(file, os.environ)
    click.echo(render(loaded.settings, loaded.origins, with_descriptions=describe), nl=False)


@command.command()
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors."""
    from daemon.settings import Settings

    click.echo(json.dumps(Settings.model_json_schema(), indent=2))
