"""Whom `papertape ctl` asks, and how it waits for what it ordered."""

import getpass
import os
import re
import time
from pathlib import Path
from typing import Any, Final

import click

from adapters.control.address import url_of
from adapters.control.client import ControlClient
from adapters.files.settings_file import read_settings
from daemon.commands._control_start import token_of

POLL_S: Final = 0.25
RELOAD_S: Final = 180.0
"""Longer than the API itself waits for a reload."""

UNSPECIFIED: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


def client_for(config_file: Path | None, url: str | None, ca_file: Path | None) -> ControlClient:
    """Return who asks the API that the settings, or `--url`, name.

    Raises:
        SettingsError: The settings cannot be read.
        ControlError: The token cannot be read.
    """
    control = read_settings(config_file, os.environ).settings.control
    # A certificate that signed itself is trusted by whoever has the run's settings.
    authority = str(ca_file) if ca_file else control.cert_file if url is None else None
    if url is None:
        host = UNSPECIFIED.get(control.host, control.host)
        url = url_of(host, control.port, secure=control.cert_file is not None)
    return ControlClient(url.rstrip("/"), token_of(control), authority)


def carried_out(
    client: ControlClient, name: str, by: str | None, wait_s: float, *, say: bool
) -> dict[str, Any]:
    """Give a command, and return what became of it, at the latest after the wait."""
    answer = client.post(f"/api/{name}", {"by": who_asks(by)})
    deadline_s = time.monotonic() + wait_s
    told = ""
    while answer["status"] in {"waiting", "closing"} and time.monotonic() < deadline_s:
        if say and told != answer["status"]:
            told = answer["status"]
            click.echo(WAITS[told], err=True)
        # The API answers at once; a command waits for its minute.
        time.sleep(min(POLL_S, max(0.0, deadline_s - time.monotonic())))
        answer = client.get(f"/api/commands/{answer['id']}")
    return answer


WAITS: Final = {
    "waiting": "it enters before the next minute ...",
    "closing": "it is on the tape; positions close at the next open ...",
}


def who_asks(by: str | None) -> str:
    """Return what the tape and the log are told of who asks."""
    return re.sub(r"[^A-Za-z0-9_.@ -]", "", by if by is not None else f"ctl {_user()}")[:64]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
