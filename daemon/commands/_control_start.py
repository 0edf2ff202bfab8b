"""Beginning to serve the control API: its address and token, before anything of the run is begun."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from adapters.files.settings_file import read_secret
from daemon.errors import ControlError

if TYPE_CHECKING:
    from daemon.commands._control import Control
    from daemon.settings import ControlSettings, Settings

TOKEN_CHARACTERS: Final = 16


@contextmanager
def control_of(settings: "Settings") -> Iterator["Control | None"]:
    """Take the API's address, where the settings want it; it answers once it has joined a run.

    Raises:
        ControlError: The address cannot be had, or certificate or token not be used.
    """
    if not settings.control.enabled:
        yield None
        return
    from adapters.control.server import ControlServer  # FastAPI takes a third of a second
    from daemon.commands._control import Control

    control = settings.control
    with ControlServer(control.host, control.port, control.cert_file, control.key_file) as server:
        yield Control(settings, server)


def token_of(settings: "ControlSettings") -> str | None:
    """Return the token that whoever orders must know, or None.

    Raises:
        ControlError: Its file cannot be read, or it is too short.
    """
    token = None if settings.token is None else settings.token.get_secret_value()
    if settings.token_file is not None:
        try:
            token = read_secret(settings.token_file).strip()
        except ValueError as error:
            raise ControlError(f"control.token_file: {error}") from error
    if token is not None and (
        len(token) < TOKEN_CHARACTERS or not token.isascii() or not token.isprintable()
    ):
        raise ControlError(
            f"control.token: at least {TOKEN_CHARACTERS} characters of plain text are needed; make one with "
            "`openssl rand -hex 32`"
        )
    return token
