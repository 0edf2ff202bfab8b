"""Serves the control API on a thread with a loop of its own: neither it nor the run waits for the other.

The address is taken when the server is entered, before anything of the run is begun; it answers from `serve`
on, until it is left.
"""

import contextvars
import socket
import ssl
import threading
from types import TracebackType
from typing import Final, Self

from uvicorn import Config, Server

from adapters.control.address import url_of
from adapters.control.guard import App
from daemon.errors import ControlError

GRACE_S: Final = 2
"""Requests under way may take so long when the run ends."""

_START_S: Final = 30.0
_MOST_CONNECTIONS: Final = 200
_BACKLOG: Final = 64


class ControlServer:
    """An HTTP server on a thread. Use it as a context manager.

    Args:
        host: Address to serve on.
        port: Port; 0 takes a free one.
        cert_file: Serve HTTPS with this certificate.
        key_file: Its key.
    """

    def __init__(
        self, host: str, port: int, cert_file: str | None = None, key_file: str | None = None
    ) -> None:
        self._host = host
        self._certificate = None if cert_file is None else (cert_file, key_file)
        self.port = port
        """Where it serves, once it is entered."""
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return url_of(self._host, self.port, secure=self._certificate is not None)

    def serve(self, app: App) -> None:
        """Answer from now on."""
        context = self._context
        config = Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=GRACE_S,
            ssl_context_factory=None if context is None else lambda _config, _default: context,
        )
        self._server = _Server(config)
        # Lines of the log from here on carry the run's name as the others do.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._server.run, [self._socket]), name="control", daemon=True
        )
        self._thread.start()
        if not self._server.ready.wait(_START_S):
            raise ControlError(f"the control API at {self.url} did not begin to serve")

    def __enter__(self) -> Self:
        """Take the address.

        Raises:
            ControlError: It is in use or not this machine's, or the certificate cannot be used.
        """
        self._context = self._read_certificate()
        try:
            family, _, _, _, address = socket.getaddrinfo(
                self._host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self._socket = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        except (OSError, OverflowError) as error:
            raise ControlError(
                f"control: cannot serve on {self._host}:{self.port}: {error}. Choose another address in the "
                "section `control` of the settings."
            ) from error
        self.port = int(self._socket.getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving and give the address back."""
        self.stop()
        self._socket.close()

    def stop(self) -> None:
        """Finish what is under way, and answer no more; harmless when called twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(3 * GRACE_S)

    def _read_certificate(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        cert_file, key_file = self._certificate
        try:
            context.load_cert_chain(cert_file, key_file)
        except (OSError, ssl.SSLError) as error:
            raise ControlError(
                f"control: the certificate {cert_file} with the key {key_file} cannot be used: {error}. Both "
                "must be PEM files that belong together, the key without a password."
            ) from error
        return context


class _Server(Server):
    """Says when it serves."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
