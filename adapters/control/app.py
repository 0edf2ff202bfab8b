"""The API: which path answers with what. It decides nothing; a run answers, the guard stands before it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Body, FastAPI, Path, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer

from adapters.control import answers as a
from adapters.control.guard import Refused
from adapters.control.page import page
from adapters.control.run_port import RunPort

MOST_ROWS: Final = 1_000
LONGEST_WAIT_S: Final = 120.0

DESCRIPTION: Final = """A live run of papertape: what it does and why, and the few orders a person may give.

Reading is free on loopback; what changes something needs `Authorization: Bearer TOKEN`
(`PAPERTAPE_CONTROL__TOKEN` of the run), and beyond loopback reading needs it too. A refused request is
answered with its problems: what, where, what to do.
"""

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="At most so many.")]
Before = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{1,15}\.[0-9]{1,9}$", description="`before` of the page that came before."),
]
Only = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Only of this instrument, `venue:SYMBOL`.")
]
Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT_S,
        description="Answer when the command is done, at the latest after so long.",
    ),
]
Who = Annotated[a.Asked | None, Body(description="Who asks; may be left out.")]

_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": a.Problems, "description": meaning}
    for status, meaning in {
        400: "The request is not what it should be.",
        401: "The token is missing or wrong.",
        403: "The request is for another host, from a page, or nothing can be ordered: no token was set.",
        422: "A parameter or the body is not as described.",
        503: "Too much at once, or the run does not answer or is ending.",
    }.items()
}
_BEARER: Final = HTTPBearer(auto_error=False, description="PAPERTAPE_CONTROL__TOKEN of the run.")


def control_app(run: RunPort, version: str) -> FastAPI:
    """Return the API of a run, without its guard.

    Args:
        run: Answers.
        version: Of papertape.
    """
    app = FastAPI(
        title="papertape control",
        description=DESCRIPTION,
        version=version,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        responses=_REFUSALS,
        generate_unique_id_function=lambda route: route.name,
    )
    _reads(app, run)
    _pages(app, run)
    _commands(app, run)
    _refusals(app)

    drawn = ""

    @app.get("/", include_in_schema=False)
    async def describe() -> HTMLResponse:
        """This page."""
        nonlocal drawn
        drawn = drawn or page(app.openapi())
        return HTMLResponse(drawn)

    return app


def _reads(app: FastAPI, run: RunPort) -> None:
    @app.get("/api/state", tags=["see"])
    async def state() -> a.State:
        """How far the run is, in which trading state, at what equity, and what is wrong."""
        return run.state()

    @app.get("/api/positions", tags=["see"])
    async def positions() -> a.Positions:
        """What is held after the newest minute."""
        return run.positions()

    @app.get("/api/vitals", tags=["see"])
    async def vitals() -> a.Vitals:
        """Whether the model works: skill, calibration, drift, trades, the verdict."""
        return run.vitals()

    @app.get("/api/models", tags=["see"])
    async def models() -> a.Models:
        """The model that trades."""
        return run.models()

    @app.get("/api/settings", tags=["see"])
    async def settings() -> dict[str, Any]:
        """The settings in force, by section. Secrets are masked."""
        return dict(run.settings())


def _pages(app: FastAPI, run: RunPort) -> None:
    @app.get("/api/orders", tags=["see"])
    async def orders(limit: Limit = 100, before: Before = None, instrument: Only = None) -> a.Orders:
        """Paper orders and what became of them, newest first, from the tape."""
        return await run.orders(before, limit, instrument)

    @app.get("/api/fills", tags=["see"])
    async def fills(limit: Limit = 100, before: Before = None, instrument: Only = None) -> a.Fills:
        """Fills, funding and delistings, newest first, from the tape."""
        return await run.fills(before, limit, instrument)

    @app.get("/api/decisions", tags=["see"])
    async def decisions(limit: Limit = 100, before: Before = None, instrument: Only = None) -> a.Decisions:
        """What was thought of each instrument each minute, and why it was traded or not, from the tape.

        Of one instrument a page looks back at most a day: it may be empty and still name the next page.
        """
        return await run.decisions(before, limit, instrument)

    @app.get("/api/commands", tags=["see"])
    async def commands() -> a.AllOrdered:
        """The newest commands that this process was given, newest first, and what became of them."""
        return a.AllOrdered(commands=list(run.commands()))

    @app.get("/api/commands/{number}", tags=["see"], responses={404: {"model": a.Problems}})
    async def command(number: Annotated[int, Path(ge=1, le=10**9)]) -> a.Ordered:
        """One command and what became of it."""
        for ordered in run.commands():
            if ordered.id == number:
                return ordered
        raise Refused(
            404,
            f"there is no command {number}, or it was long ago",
            "the path",
            "GET /api/commands lists those that are known",
        )


def _commands(app: FastAPI, run: RunPort) -> None:
    meanings: dict[a.CommandName, str] = {
        "pause": "Enter nothing any more; what is held is held to its horizon. `resume` ends it.",
        "resume": "Trade again; drawdown and daily loss are measured anew from the present equity.",
        "freeze": "Order nothing at all, exits included. `resume` ends it.",
        "flatten": "Close every position at the next minute's open, and enter nothing until `resume`.",
    }
    for name, meaning in meanings.items():
        _command(app, run, name, meaning)

    @app.post("/api/reload", tags=["order"], dependencies=[Security(_BEARER)], responses=_CONFLICT)
    async def reload(who: Who = None) -> a.ReloadDone:
        """Read the settings file again, and apply it whole or reject it whole.

        The answer comes when it is in force; a change of what decides waits for its minute.
        """
        return await run.reload(who.by if who else "")

    @app.post("/api/snapshot", tags=["order"], dependencies=[Security(_BEARER)], responses=_CONFLICT)
    async def snapshot() -> a.SnapshotMade:
        """Put a snapshot of the run's state on the tape now: a start after a kill begins there."""
        return await run.snapshot()


_CONFLICT: Final[dict[int | str, dict[str, Any]]] = {
    409: {"model": a.Problems, "description": "The run cannot do that, or is not so far yet."}
}


def _command(app: FastAPI, run: RunPort, name: a.CommandName, meaning: str) -> None:
    async def ordered(response: Response, who: Who = None, wait_seconds: Wait = 0.0) -> a.Ordered:
        made = await run.order(name, who.by if who else "", wait_seconds)
        if made.status in {"waiting", "closing"}:
            response.status_code = 202
        response.headers["location"] = f"/api/commands/{made.id}"
        return made

    app.post(
        f"/api/{name}",
        name=name,
        tags=["order"],
        summary=name.capitalize(),
        description=meaning,
        dependencies=[Security(_BEARER)],
        responses={
            200: {"description": "It is done."},
            202: {"model": a.Ordered, "description": "It waits for its minute; `Location` says how it goes."},
        },
    )(ordered)


def _refusals(app: FastAPI) -> None:
    """Answer every refusal with its problems."""

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)  # noqa: S101 - it is registered for this class alone
        return JSONResponse(error.body(), error.status, headers=dict(error.headers))

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        problems = [
            {
                "what": str(one["msg"]),
                "where": ".".join(str(part) for part in one["loc"]),
                "what_to_do": "give what the API's page (/) or /openapi.json describes, as application/json",
            }
            for one in error.errors()
        ]
        return JSONResponse({"problems": problems}, 422)

    def known(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
        body = Refused(status, *_KNOWN[status]).body()

        async def answer(_request: Request, error: Exception) -> Response:
            # Of a method that a path does not take they say which it takes.
            return JSONResponse(body, status, headers=getattr(error, "headers", None))

        return answer

    async def failed(_request: Request, _error: Exception) -> Response:
        what = "papertape failed to answer; that is a bug in it"
        body = Refused(500, what, "the server", "its log says where; report it").body()
        return JSONResponse(body, 500)

    app.add_exception_handler(Exception, failed)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    for status in _KNOWN:
        app.add_exception_handler(status, known(status))


_KNOWN: Final = {
    400: ("the body cannot be read", "the body", "send a JSON object, or no body at all"),
    404: ("there is nothing at this path", "the path", "GET / describes what there is"),
    405: ("this path does not take this method", "the method", "GET / describes what there is"),
}
