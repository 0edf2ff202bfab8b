"""Where a tape is, as the command line and the settings say it: a path, or a URL of PostgreSQL."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from adapters.tape.place import Place
    from daemon.settings import TapeSettings

Function = TypeVar("Function", bound=Callable[..., object])


class TapePlace(click.ParamType["Place"]):
    """A path, or `postgresql://[user@]host[:port]/database[?schema=NAME]`."""

    name = "FILE|URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> "Place":
        """Read the word of the command line."""
        from adapters.tape.place import place_of
        from daemon.errors import TapePlaceError

        try:
            return place_of(str(value))
        except TapePlaceError as error:
            self.fail(str(error), param, ctx)


def tape_option(function: Function) -> Function:
    """Give a command the option `--tape`, as its argument `told`."""
    return click.option(
        "--tape", "told", type=TapePlace(), help="A file or a URL; default: tape.url, or tape.path."
    )(function)


def place_told(told: "Place | None", settings: "TapeSettings") -> "Place":
    """Return where the tape is: as `--tape` says, or as the settings do."""
    from adapters.tape.place import place_of

    return told or place_of(settings.url or settings.path)
