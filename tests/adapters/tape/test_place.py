"""Where a tape is: what paths and URLs say, and what of them is shown."""

import sys
from pathlib import Path

import pytest

from adapters.tape.place import ServerPlace, place_of
from adapters.tape.reader import TapeReader
from adapters.tape.writer import TapeWriter
from daemon.errors import TapePlaceError, UserError

SHOWN = {
    "postgresql://db.example/runs": "postgresql://db.example/runs?schema=papertape",
    "postgres://me:se%40cret@db.example:5433/runs?schema=btc&sslmode=require": (
        "postgresql://me@db.example:5433/runs?schema=btc"
    ),
    "postgresql://me@/runs?host=/run/postgresql&password=secret&schema=btc": (
        "postgresql://me@/runs?host=/run/postgresql&schema=btc"
    ),
    "postgresql:///runs?service=s&passfile=/secret": "postgresql:///runs?service=s&schema=papertape",
    "postgresql://[::1]:5432/runs": "postgresql://[::1]:5432/runs?schema=papertape",
}


@pytest.mark.parametrize("url", SHOWN)
def test_a_url_is_a_schema_and_is_shown_without_password_or_options(url: str) -> None:
    place = place_of(url)
    assert isinstance(place, ServerPlace)
    assert str(place) == SHOWN[url]
    assert "secret" not in f"{place!r} {place}"
    assert "cret" not in f"{place!r} {place}"


def test_libpq_gets_the_url_without_the_schema() -> None:
    place = place_of("postgresql://me:secret@db/runs?schema=btc&sslmode=require&connect_timeout=3")
    assert isinstance(place, ServerPlace)
    assert place.url == "postgresql://me:secret@db/runs?sslmode=require&connect_timeout=3"
    local = place_of("postgresql:///runs?host=/tmp")
    assert isinstance(local, ServerPlace)
    assert local.url == "postgresql:///runs?host=/tmp"


def test_everything_else_is_a_path() -> None:
    assert place_of("var/run.tape") == Path("var/run.tape")
    assert place_of("/var/lib/postgresql:/run.tape") == Path("/var/lib/postgresql:/run.tape")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se/cret@db/runs",
        "postgresql://me:12/cret@db/runs",
        "postgresql://me:se#cret@db/runs",
        "postgresql://db:port/runs",
        "postgresql://db/runs?schema=Not%20ours",
        "postgresql://db/runs?schema=pg_own",
        "postgresql://db/runs?schema=",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_quoting_a_password(url: str) -> None:
    with pytest.raises(TapePlaceError) as refused:
        place_of(url)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize("opened", [TapeReader, TapeWriter])
def test_without_psycopg_it_is_said_how_to_get_it(
    opened: type[TapeReader] | type[TapeWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("adapters.tape.postgresql", "psycopg"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("adapters.tape.postgresql_server", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"pip install 'papertape\[postgresql\]'"):
        opened(place_of("postgresql://db/runs"))
