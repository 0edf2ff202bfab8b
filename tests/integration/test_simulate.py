"""`papertape simulate` in a process of its own: what another process finds at its addresses."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect

from daemon.__main__ import main
from tests import runs
from tests.integration.command_line import environment


async def test_an_exchange_is_served_until_it_is_told_to_end(tmp_path: Path) -> None:
    words = ["-m", "papertape", "simulate", "--minutes", "600", "--port", "0", "--speed", "60"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=tmp_path, env=environment(), stdout=PIPE, stderr=DEVNULL
    )
    try:
        assert process.stdout is not None
        found = re.search(r"REST (http://127\.0\.0\.1:\d+)", (await process.stdout.readline()).decode())
        assert found is not None
        base = found[1]
        klines = f"{base}/api/v3/klines?symbol=ALFAUSDT&interval=1m&limit=3"
        async with aiohttp.ClientSession() as session, session.get(klines) as answer:
            assert len(await answer.json()) == 3
        async with connect(f"{base.replace('http', 'ws')}/papertape/control") as control:
            await control.send('{"fault": "?"}')
            assert "silence" in json.loads(await control.recv())["done"]["meaning"]
        process.terminate()
        assert await process.wait() == 143
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def test_it_ends_with_its_bars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bars = tmp_path / "bars.parquet"
    runs.market().frame().write_parquet(bars)
    (tmp_path / "run.yaml").write_text('{"universe": {"venue": "simulator"}}')
    words = ["simulate", "--bars", str(bars), "--config", str(tmp_path / "run.yaml"), "--port", "0"]
    last = "2024-01-03T11:50"
    assert main([*words, "--speed", "100000", "--from", last]) == 0
    assert f"{len(runs.market().instruments)} instruments: " in capsys.readouterr().out


def test_what_cannot_be_served_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--minutes", "10", "--from", "2030-01-01"]) == 2
    assert "lies outside the bars" in capsys.readouterr().err
    assert main(["simulate", "--minutes", "10", "--host", "192.0.2.1"]) == 2
    assert "nothing can be served at 192.0.2.1:9479" in capsys.readouterr().err
