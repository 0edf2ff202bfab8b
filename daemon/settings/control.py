"""Watching a live run and ordering it about, over HTTP."""

from ipaddress import ip_address
from typing import Self

from pydantic import Field, SecretStr, model_validator

from daemon.settings.section import Section


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name counts only if it is `localhost`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class ControlSettings(Section):
    """The control API of a live run, and what `papertape ctl` looks for it by."""

    enabled: bool = Field(False, description="Serve the API while the run is live.")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to serve on; beyond loopback only with a token and a certificate.",
    )
    port: int = Field(9478, ge=0, le=65_535, description="Port to serve on; 0 takes a free one.")
    token: SecretStr | None = Field(
        None,
        description="Whoever orders the run about must know it, at least 16 characters. From the environment "
        "or a file only. Without one nothing can be ordered.",
    )
    token_file: str | None = Field(None, min_length=1, description="A file that holds the token instead.")
    cert_file: str | None = Field(
        None, min_length=1, description="Serve HTTPS with this certificate, and those above it."
    )
    key_file: str | None = Field(None, min_length=1, description="Its key.")

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.token is not None and self.token_file is not None:
            message = "token and token_file are both set; keep one"
            raise ValueError(message)
        if (self.cert_file is None) != (self.key_file is None):
            message = "cert_file and key_file go together"
            raise ValueError(message)
        if self.enabled and not is_loopback(self.host):
            missing = [
                what
                for what, given in (
                    (
                        "a token (PAPERTAPE_CONTROL__TOKEN, or control.token_file)",
                        self.token or self.token_file,
                    ),
                    ("TLS (control.cert_file and control.key_file)", self.cert_file),
                )
                if not given
            ]
            if missing:
                message = (
                    f"host {self.host} can be reached from other machines, which needs "
                    f"{' and '.join(missing)}; give that, or keep host: 127.0.0.1"
                )
                raise ValueError(message)
        return self
