"""The command line: finds the command, turns every failure into one paragraph and an exit code.

Exit codes: 0 done, 1 a failure of ours or of the machine, 2 something the user can mend, 130 interrupted, 143
ended by SIGTERM.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import click

from daemon import __version__
from daemon.commands import CommandFolder, Invocation, everywhere
from daemon.errors import PapertapeError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.command(cls=CommandFolder, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="papertape")
def cli() -> None:
    """Paper-trade machine-learning signals on minute bars, and learn honestly whether they work.

    `papertape COMMAND --help` says what a command needs.
    """


everywhere(cli)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: Words after the program's name; the process's own by default.
    """
    from adapters.host.telemetry import turn_off_telemetry
    from adapters.host.threads import calm_threads

    turn_off_telemetry()
    calm_threads()
    invocation = Invocation()
    try:
        with cli.make_context(
            "papertape", list(sys.argv[1:] if arguments is None else arguments), obj=invocation
        ) as context:
            cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        # The reader has gone (`| head`). What is still buffered must not be tried again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place that turns any failure into a message
        return _report(error, with_traceback=invocation.debug)
    return 0


def _report(error: Exception, *, with_traceback: bool) -> int:
    if with_traceback:
        traceback.print_exception(error)
    # Tasks that ran side by side fail as a group; where one failed, that one says it.
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, PapertapeError):
        click.echo(f"papertape: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError):
        click.echo(f"papertape: the machine refused: {error}", err=True)
        return 1
    advice = "" if with_traceback else " Run the same command with --debug to see where, and report it."
    click.echo(f"papertape: this is a bug in papertape: {type(error).__name__}: {error}.{advice}", err=True)
    return 1


if __name__ == "__main__":
    # Through the check of `papertape`: a foreign `adapters` may be on the path here as well.
    from papertape import main as checked_main

    sys.exit(checked_main())
