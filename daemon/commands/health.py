"""`papertape health`: is the daemon that serves there well? For people, and for a container's HEALTHCHECK."""

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import click

TIMEOUT_S: Final = 5.0


@click.command()
@click.argument("url", default="http://127.0.0.1:9477")
@click.option("--ready", is_flag=True, help="Ask /readyz instead: warm, feeds fresh, tape writable.")
def command(url: str, *, ready: bool) -> None:
    """Ask a live run at URL how it is, and print what it answers (JSON).

    URL is where it serves its metrics; default: http://127.0.0.1:9477. Ends with 0 if it is well, with 1 if
    it is not, or does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.BadParameter(f"{url!r} is no address like http://127.0.0.1:9477", param_hint="URL")
    address = url if parts.path.strip("/") else url.rstrip("/") + ("/readyz" if ready else "/healthz")
    well, text = _asked(address)
    click.echo(text.strip())
    if not well:
        raise click.exceptions.Exit(1)


def _asked(address: str) -> tuple[bool, str]:
    # Straight there: a proxy of the surroundings knows nothing of this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=TIMEOUT_S) as answer:
            return answer.status == HTTPStatus.OK, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as refusal:
        return False, refusal.read().decode(errors="replace")
    except OSError as error:
        return False, json.dumps({"ok": False, "reasons": [f"{address} does not answer: {error}"]})
