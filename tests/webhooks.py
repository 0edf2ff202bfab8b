"""A webhook on loopback: takes what is posted as JSON, or takes it and never answers."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

PATIENCE_S = 60.0


class Webhook:
    """Listens while inside.

    Args:
        hangs: Never answers.
        answers: Status of each answer, in order; then 200.
    """

    def __init__(self, *, hangs: bool = False, answers: tuple[int, ...] = ()) -> None:
        self._posted: list[tuple[str, dict[str, Any]]] = []
        self._heard = threading.Condition()
        self._end = threading.Event()
        statuses = iter(answers)
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with webhook._heard:
                    webhook._posted.append((self.path, content))
                    webhook._heard.notify_all()
                if hangs:
                    webhook._end.wait()
                    return
                self.send_response(next(statuses, 200))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name for it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        # As apprise has it.
        self.address = f"json://user:secret-token@127.0.0.1:{self.port}/hook?rto=1"
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def posted(self) -> list[tuple[str, dict[str, Any]]]:
        """Path and content of all that was taken so far."""
        with self._heard:
            return list(self._posted)

    @property
    def taken(self) -> list[dict[str, Any]]:
        """The messages taken so far."""
        return [message for _, message in self.posted]

    @property
    def titles(self) -> list[str]:
        """Of the messages taken so far."""
        return [message["title"] for message in self.taken]

    def wait(self, holds: Callable[[list[str]], bool]) -> None:
        """Wait until something holds of the titles."""
        with self._heard:
            assert self._heard.wait_for(lambda: holds(self.titles), PATIENCE_S), self.taken

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
