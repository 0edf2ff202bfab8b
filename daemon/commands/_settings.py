"""The settings of a command: its --config option, the file, the environment, the log."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from daemon.commands import Invocation
from daemon.commands._serving import with_metrics

if TYPE_CHECKING:
    from adapters.files.settings_file import LoadedSettings
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


class SettingsSource:
    """Where a run's settings come from, at its start and whenever they are read again.

    Args:
        file: The settings file; None takes the defaults.
        told: What the command line says of the log, which beats the settings.
        serve: What it says of `--serve`.

    Attributes:
        file: As given.
        settings: As they were read first.
        content: Of the file, just before that.
    """

    def __init__(
        self, file: Path | None, told: Invocation, serve: tuple[str | None, int] | None = None
    ) -> None:
        from adapters.files.settings_watch import content_of

        self.file = file
        self._told = told
        self._serve = serve
        self.content = None if file is None else content_of(file)
        self.settings = self.read().settings

    def read(self) -> "LoadedSettings[Settings]":
        """Read the file and the environment.

        Raises:
            SettingsError: With every problem of the two.
        """
        from adapters.files.settings_file import read_settings

        loaded = read_settings(self.file, os.environ)
        return replace(loaded, settings=with_metrics(loaded.settings, self._serve))

    def set_log(self, settings: "Settings") -> None:
        """Set the log up as settings and the command line say."""
        from adapters.host.log import configure_log

        log, told = settings.log, self._told
        configure_log(told.log_level or log.level, told.log_format or log.format)


def open_source(config_file: Path | None, serve: tuple[str | None, int] | None) -> SettingsSource:
    """Read a command's settings as `open_settings`, so that they can be read again.

    Raises:
        SettingsError: With every problem of the file and the environment.
    """
    from adapters.host.log import bind

    source = SettingsSource(config_file, click.get_current_context().ensure_object(Invocation), serve)
    source.set_log(source.settings)
    bind(run=source.settings.run.name)
    return source


def open_settings(config_file: Path | None) -> "Settings":
    """Read a command's settings and set the log up as they and the command line say.

    Raises:
        SettingsError: With every problem of the file and the environment.
    """
    return open_source(config_file, None).settings
