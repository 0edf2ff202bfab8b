"""What every request must pass before the API sees it: whom it claims to speak to, and with what token.

- On loopback `Host` must name this machine: a page that has its name resolve to 127.0.0.1 (DNS rebinding)
  still says its own name.
- A browser says in `Origin` which page asks; no page but our own may. There is no CORS and no cookie.
- Whatever changes something needs the bearer token; beyond loopback whatever reads does, too.
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from secrets import compare_digest
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_AT_ONCE: Final = 32
"""Further requests are refused, not queued: the run comes first."""

BODY_BYTES: Final = 4_096
"""No request needs more."""

HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action "
            b"'none'; frame-ancestors 'none'"
        ),
    ),
)


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A request that is answered with a problem.

    Attributes:
        status: Of HTTP.
        what: Is wrong.
        where: Of the request, the server or the run.
        what_to_do: To mend it.
        headers: That go with the answer.
    """

    status: int
    what: str
    where: str
    what_to_do: str
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> dict[str, Any]:
        """Return the answer."""
        return {"problems": [{"what": self.what, "where": self.where, "what_to_do": self.what_to_do}]}


class Guard:
    """The outermost layer of the API.

    Args:
        app: What is guarded.
        token: That whoever changes something must know; None: nobody may.
        hosts: Names of this machine that `Host` may say; None: any.
        open_reads: Whether reading needs no token.

    Attributes:
        counts: Requests by path of the route (`other` where there is none) and status.
    """

    def __init__(
        self, app: App, *, token: str | None, hosts: frozenset[str] | None, open_reads: bool
    ) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._hosts = hosts
        self._open_reads = open_reads
        self._under_way = 0
        self.counts: Counter[tuple[str, str]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            # Of websockets there are none; uvicorn closes one that is not accepted.
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                self.counts[route, str(message["status"])] += 1
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        self._under_way += 1
        try:
            self._check(str(scope["method"]), _headers(scope["headers"]))
        except Refused as refused:
            await _refuse(refused, counted)
        else:
            await self._app(scope, receive, counted)
        finally:
            self._under_way -= 1

    def _check(self, method: str, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            raise Refused(
                403,
                f"the request is for the host {host!r}, which is not this machine",
                "header Host",
                f"ask for one of {', '.join(sorted(self._hosts))}",
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}".lower(), f"https://{host}".lower()}:
            raise Refused(
                403,
                f"the page {origin} may not ask: no other page may",
                "header Origin",
                "ask from a program, or from the API's own page",
            )
        if method not in READS or not self._open_reads:
            self._check_token(headers.get("authorization", ""))
        _check_body(headers)
        if self._under_way > MOST_AT_ONCE:
            raise Refused(
                503,
                f"{MOST_AT_ONCE} requests are being answered already",
                "the server",
                "try again in a second",
                (("retry-after", "1"),),
            )

    def _check_token(self, authorization: str) -> None:
        if self._token is None:
            raise Refused(
                403,
                "nothing can be ordered: the run was started without a token",
                "settings control.token",
                "set PAPERTAPE_CONTROL__TOKEN, or control.token_file, to at least 16 characters, and start "
                "the run again",
            )
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not compare_digest(given.strip().encode(), self._token):
            what = "the token is not the run's" if given else "a token is needed"
            raise Refused(
                401,
                what,
                "header Authorization",
                "send `Authorization: Bearer TOKEN` with the run's PAPERTAPE_CONTROL__TOKEN",
                (("www-authenticate", "Bearer"),),
            )


def _check_body(headers: Mapping[str, str]) -> None:
    """Refuse a body that is too large, before any of it is read; the server reads no more than it says."""
    if "transfer-encoding" in headers:
        raise Refused(411, "a body must say its length", "the body", "send it with Content-Length")
    if int(headers.get("content-length", "0")) > BODY_BYTES:
        raise Refused(
            413,
            f"the body has more than {BODY_BYTES} bytes",
            "the body",
            "send a small JSON object, or none",
            (("connection", "close"),),
        )


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def _name_of(host: str) -> str:
    """Return the name in a `Host` header, without its port, as `[::1]` or `localhost`."""
    name, bracket, _ = host.lower().partition("]")
    return name + bracket if bracket else name.rpartition(":")[0] or name


async def _refuse(refused: Refused, send: Send) -> None:
    body = json.dumps(refused.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in refused.headers]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
