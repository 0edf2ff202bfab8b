"""Where the record of the run goes, and who hears of it."""

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from daemon.settings.section import Reload, Section


class TapeSettings(Section):
    """Where the record of the run goes."""

    reload: ClassVar[Reload] = "hot"
    needs_restart: ClassVar[tuple[str, ...]] = ("path", "url")
    path: str = Field("var/papertape.tape", description="File of the SQLite tape, where there is no url.")
    url: str | None = Field(
        None,
        pattern=r"^postgres(ql)?://",
        description="A tape on PostgreSQL: postgresql://user@host/database?schema=NAME. One run, one schema "
        "(default: papertape). The password comes from PGPASSWORD, PGPASSFILE or ~/.pgpass.",
    )
    group_batches: int = Field(4096, ge=1, description="Most batches of a replay in one transaction.")
    snapshot_batches: int = Field(4096, ge=1, description="A snapshot after every so many batches.")
    max_bytes: int | None = Field(
        None,
        ge=1_000_000,
        description="A live run keeps its tape below this size: the oldest batches leave it, summaries of "
        "their days stay. null: without end.",
    )
    keep_days: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Batches older than this leave a live run's tape. null: they stay.",
    )

    @model_validator(mode="after")
    def _url_holds_no_password(self) -> Self:
        if self.url is not None and re.search(r"//[^/?@]*:[^@]*@|[?&](ssl)?password=", self.url):
            message = "url: a password does not belong here; give it in PGPASSWORD or ~/.pgpass"
            raise ValueError(message)
        return self


class MetricsSettings(Section):
    """Figures for Prometheus, over HTTP."""

    hot: ClassVar[tuple[str, ...]] = ("max_instruments", "linger_seconds")
    enabled: bool = Field(False, description="Serve /metrics; the option --serve turns it on too.")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to serve on. Nothing asks who reads: keep it loopback.",
    )
    port: int = Field(9477, ge=0, le=65_535, description="Port to serve on; 0 takes a free one.")
    max_instruments: int = Field(
        50, ge=0, description="Most instruments with series of their own (the largest positions first)."
    )
    linger_seconds: float = Field(
        0.0, ge=0, description="A replay goes on serving so long after its end, for the last scrapes."
    )


class MqttSettings(Section):
    """What is published to an MQTT 5 broker, and what is taken from it."""

    enabled: bool = False
    host: str = Field("127.0.0.1", min_length=1, description="The broker.")
    port: int = Field(1883, ge=1, le=65_535, description="1883 plain, 8883 with TLS, by custom.")
    username: str | None = None
    password: SecretStr | None = Field(None, description="From the environment or a file only.")
    tls: bool = Field(False, description="Encrypt, and check the broker's certificate.")
    ca_file: str | None = Field(None, description="Who signed it; default: the system's authorities.")
    cert_file: str | None = Field(None, description="Our own certificate, where the broker asks for one.")
    key_file: str | None = Field(None, description="Its key.")
    prefix: str = Field(
        "papertape",
        pattern=r"^[^+#\s]+$",
        max_length=200,
        description="Topics are <prefix>/<run.name>/...; `papertape mqtt` lists them.",
    )
    commands: bool = Field(
        False,
        description="Take pause, resume, freeze, flatten from <prefix>/<run.name>/command. Who may publish "
        "there is the broker's to say.",
    )
    bars: str = Field(
        "bars",
        pattern=r"^[^+#\s]+$",
        max_length=200,
        description="Instruments of the venue `mqtt` take their bars from <this>/mqtt/<SYMBOL>.",
    )
    queue_events: int = Field(
        1_000, ge=1, description="Orders, fills, ... that wait for the broker; then the oldest are dropped."
    )

    @model_validator(mode="after")
    def _password_has_its_name(self) -> Self:
        if self.password is not None and self.username is None:
            message = "a password needs its username"
            raise ValueError(message)
        if (self.cert_file is None) != (self.key_file is None):
            message = "cert_file and key_file go together"
            raise ValueError(message)
        if not self.tls and (self.ca_file or self.cert_file):
            message = "ca_file and cert_file are of no use without tls: true"
            raise ValueError(message)
        return self


class LogSettings(Section):
    """What is logged and how."""

    reload: ClassVar[Reload] = "hot"
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json", "journal"] = Field(
        "auto",
        description="journal: entries with fields PAPERTAPE_*. auto takes it under systemd, the console "
        "form on a terminal, JSON lines elsewhere.",
    )
