"""One file per command: the composition roots, where core and adapters are joined.

A file here that does not begin with an underscore is a command: `verify.py` holds `command`, which answers to
`papertape verify`. It imports what it runs inside its functions, so that `papertape --help` answers at once.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Literal

import click


@dataclass(slots=True)
class Invocation:
    """What one run of the command line was told outside its command's own options.

    Attributes:
        debug: Show tracebacks.
        log_level: Replaces `log.level` of the settings.
        log_format: Replaces `log.format` of the settings.
    """

    debug: bool = False
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    log_format: Literal["auto", "console", "json", "journal"] | None = None


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    if value is not None and parameter.name is not None:
        setattr(context.ensure_object(Invocation), parameter.name, value)


def everywhere(command: click.Command) -> click.Command:
    """Give a command, and all commands below it, the options that every command takes."""
    command.params += [
        click.Option(
            ["--log-level"],
            type=click.Choice(["debug", "info", "warning", "error"]),
            help="Log from this level on (default: log.level of the settings).",
            expose_value=False,
            callback=_remember,
        ),
        click.Option(
            ["--log-format"],
            type=click.Choice(["auto", "console", "json", "journal"]),
            help="auto: the journal under systemd, console on a terminal, JSON lines otherwise.",
            expose_value=False,
            callback=_remember,
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=None,
            help="Show tracebacks of failures.",
            expose_value=False,
            callback=_remember,
        ),
    ]
    if isinstance(command, click.Group):
        for child in command.commands.values():
            everywhere(child)
    return command


class CommandFolder(click.Group):
    """The commands of this folder, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        del ctx
        return sorted(
            module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's file and return its `command`, or None if there is no such file."""
        if cmd_name not in self.commands and cmd_name in self.list_commands(ctx):
            module = importlib.import_module(f"{__name__}.{cmd_name}")
            self.add_command(everywhere(module.command), cmd_name)
        return self.commands.get(cmd_name)
