"""The settings of a command: its --config option, the file, the environment, the log."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from daemon.commands import Invocation

if TYPE_CHECKING:
    from daemon.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])


def config_option(function: Function) -> Function:
    """Give a command the option `--config FILE`, as its argument `config_file`."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="Settings file (YAML); default: the defaults. Environment variables override it.",
    )(function)


def open_settings(config_file: Path | None) -> "Settings":
    """Read a command's settings and set the log up as they and the command line say.

    Raises:
        SettingsError: With every problem of the file and the environment.
    """
    from adapters.files.settings_file import read_settings
    from adapters.host.log import bind, configure_log

    settings = read_settings(config_file, os.environ).settings
    told = click.get_current_context().ensure_object(Invocation)
    configure_log(told.log_level or settings.log.level, told.log_format or settings.log.format)
    bind(run=settings.run.name)
    return settings
