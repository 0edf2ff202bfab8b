"""The control API from the other side: one request, its answer or an error that says what to do."""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from daemon.errors import ControlError, ControlUnreachableError

TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ControlClient:
    """Asks one control API.

    Attributes:
        url: Scheme, host and port.
        token: For what needs one.
        ca_file: Who signed its certificate; None: the system's authorities.
    """

    url: str
    token: str | None = None
    ca_file: str | None = None

    def get(self, path: str, **parameters: str | int | None) -> dict[str, Any]:
        """Read something.

        Raises:
            ControlError: It is refused: the token, a parameter, the certificate.
            ControlUnreachableError: Nobody answers there, or it cannot be done now.
        """
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        """Change something.

        Raises:
            ControlError: As `get`.
            ControlUnreachableError: As `get`.
        """
        return self._ask("POST", path, body, timeout_s)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        headers = {"accept": "application/json"}
        if self.token is not None:
            headers["authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            content, headers["content-type"] = json.dumps(body).encode(), "application/json"
        connection = self._connection(timeout_s)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except ssl.SSLError as error:
            raise ControlError(self._untrusted(error)) from error
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise ControlUnreachableError(
                f"nobody answers at {self.url} ({reason}). Does `papertape run` run "
                "there, with control.enabled: true? Name another address with --url, or the run's --config."
            ) from error
        finally:
            connection.close()
        return self._read(status, text)

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
            raise ControlError(f"--url: {self.url!r} is no address such as http://127.0.0.1:9478")
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, port, timeout=timeout_s)
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
                # The file may hold the API's own certificate: whoever has that need not ask who signed it.
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            except (OSError, ssl.SSLError) as error:
                raise ControlError(
                    f"{self.ca_file} holds no certificate that can be read: {error}"
                ) from error
        return http.client.HTTPSConnection(parts.hostname, port, timeout=timeout_s, context=context)

    def _untrusted(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {self.url} is not trusted: {error.verify_message}. Name who signed it "
                "with --ca FILE, and the address by a name that it was made for."
            )
        return f"{self.url} does not speak TLS as asked ({error.reason or error}); is it http://?"

    def _read(self, status: int, text: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(text)
            problems = [] if status < 400 else answer["problems"]
            said = "; ".join(f"{p['what']} ({p['where']}): {p['what_to_do']}" for p in problems)
        except (ValueError, KeyError, TypeError) as error:
            raise ControlUnreachableError(
                f"what answers at {self.url} is no control API of papertape (status {status})"
            ) from error
        if status >= 500 or status == 409:
            raise ControlUnreachableError(said)
        if status >= 400:
            raise ControlError(said)
        if not isinstance(answer, dict):
            raise ControlUnreachableError(f"what answers at {self.url} is no control API of papertape")
        return answer
