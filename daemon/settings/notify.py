"""Who is told at once of what goes wrong, for those without Alertmanager."""

from typing import Literal, get_args

from pydantic import Field, SecretStr

from daemon.settings.section import Section

NoticeKind = Literal["alarm", "trading_state", "feed", "settings", "model", "tape", "health", "run"]
"""What somebody can be told of."""


class NotifySettings(Section):
    """Messages by the library apprise (the extra `notify`): Slack, Telegram, mail, webhooks, ..."""

    urls: SecretStr | None = Field(
        None,
        description="Addresses as apprise takes them (json://host, tgram://...), one a line or parted by "
        "blanks. From the environment or a file only.",
    )
    events: tuple[NoticeKind, ...] = Field(
        get_args(NoticeKind),
        description="What is told: alarms of vitals, moves of the trading state, feeds lost, settings and "
        "models refused, a tape that cannot be written, a run that hangs, its start and its end.",
    )
    feed_lost_minutes: float = Field(
        5.0, ge=0, description="A feed is told of when instruments in session are lost for so long."
    )
    repeat_minutes: float = Field(60.0, ge=0, description="The same is not told again before.")
    max_per_hour: int = Field(20, ge=1, description="Further ones wait, and come as one summary.")
