"""`papertape notify`: direct notifications, tried."""

from pathlib import Path

import click

from daemon.commands._settings import config_option


@click.group()
def command() -> None:
    """Messages to people (Slack, Telegram, mail, webhooks, ...) of what happens to a live run."""


@command.command("test")
@config_option
def test(config_file: Path | None) -> None:
    """Send one message over every channel of the settings, and say what came of it.

    The addresses come from PAPERTAPE_NOTIFY__URLS or the file that PAPERTAPE_NOTIFY__URLS_FILE names. Ends
    with 0 if all took it, with 1 if one did not.
    """
    from daemon.commands._notify import open_channels
    from daemon.commands._settings import open_settings
    from daemon.errors import SettingsError

    settings = open_settings(config_file)
    channels = open_channels(settings)
    if not channels:
        raise SettingsError(
            ["notify.urls: there are none; set PAPERTAPE_NOTIFY__URLS or PAPERTAPE_NOTIFY__URLS_FILE"]
        )
    from adapters.notify.channel import Message

    message = Message(f"papertape {settings.run.name}: a test", "Nothing happened.", is_bad=False)
    failed = False
    for channel in channels:
        is_taken = channel.send(message)
        failed |= not is_taken
        click.echo(f"{channel.name}: {'taken' if is_taken else 'not taken'}")
    if failed:
        raise click.exceptions.Exit(1)
