"""`papertape report` on the tape of a real replay, and its page in a real browser."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from daemon.__main__ import main
from tests.conftest import skip_or_fail
from tests.integration.command_line import PATIENCE_S, papertape

LIGHT, DARK = (0xF6, 0xF6, 0xF3), (0x10, 0x13, 0x16)
"""The paper's colours in adapters/web/report.html.j2."""

TELEPHONE = 400
"""Width of a narrow window, CSS pixels."""


@pytest.fixture(scope="module")
def reported(whole: Path) -> tuple[dict[str, Any], Path]:
    """What `--json` prints of the whole tape, and its page."""
    page = whole.parent / "reports" / "whole.html"
    done = papertape(["report", str(whole), "--json", "--html", str(page), "--trials", "5"], whole.parent)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report, page


class Addresses(HTMLParser):
    """Collects every address that a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name in {"href", "src", "xlink:href", "action"}
        ]
        assert tag != "script"


def test_the_report_ends_in_the_verdict(
    whole: Path, reported: tuple[dict[str, Any], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(whole)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == reported[0]["verdict"]
    assert "withheld: 2 of 30 days" in said


def test_the_experts_of_the_report_are_those_of_the_tape(reported: tuple[dict[str, Any], Path]) -> None:
    experts = reported[0]["experts"]
    assert isinstance(experts, list)
    assert [one["name"] for one in experts] == ["trees", "online", "base_rate", "blend"]
    labels = {one["labels"] for one in experts}
    assert len(labels) == 1
    assert labels.pop() > 4_000


def test_the_report_says_how_far_each_day_was_from_training_and_how_much_lies_before_its_end(
    reported: tuple[dict[str, Any], Path],
) -> None:
    report, page = reported
    assert report["training"]["sentence"] == "the whole run lies after the model's training"
    drift = report["drift"]["features"]
    assert drift["days"] == ["2024-01-02", "2024-01-03"]
    assert len(drift["features"]) == 20
    assert all(len(one["psi"]) == 2 for one in drift["features"])
    assert drift["note"].startswith("the model's reference is too short")
    text = page.read_text(encoding="utf-8")
    assert "share of the return are withheld: 2 of 30 days." in text
    for place in ('id="drift-features"', 'id="drift-predictions"', 'id="training"', 'class="heat h'):
        assert place in text
    assert report["run"]["trials"] == {"count": 5, "source": "as stated with --trials"}


def test_the_page_holds_the_verdict_and_asks_nothing_of_anybody(
    reported: tuple[dict[str, Any], Path],
) -> None:
    text = reported[1].read_text(encoding="utf-8")
    addresses = Addresses()
    addresses.feed(text)
    assert addresses.found == ["data:,"]
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    assert "@import" not in text
    assert str(reported[0]["verdict"]) in text
    assert not list(reported[1].parent.glob(".*"))


def test_an_unknown_benchmark_is_refused_by_name(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(whole), "--benchmark", "nowhere:NOTHING"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "no instrument nowhere:NOTHING is on the tape; it has simulator:" in said


def browser() -> str:
    """Chromium, or the end of the test."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        skip_or_fail("no Chromium is installed: the page was not looked at")
        raise AssertionError
    return found


def look(page: Path, picture: Path, *words: str) -> str:
    """Let a browser draw a page into a picture; return what it logged."""
    command = [
        *(browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--hide-scrollbars", "--enable-logging=stderr", "--window-size=1100,2400", *words),
        *(f"--user-data-dir={picture.parent / 'profile'}", f"--screenshot={picture}", page.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def first_pixel(picture: Path) -> tuple[int, ...]:
    """The colour in the upper left corner of a PNG, which no filter changes."""
    content, at, data = picture.read_bytes(), 8, b""
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        if content[at + 4 : at + 8] == b"IDAT":
            data += content[at + 8 : at + 8 + length]
        at += length + 12
    return tuple(zlib.decompress(data)[1:4])


@pytest.mark.parametrize(
    ("words", "paper"),
    [((), LIGHT), (("--blink-settings=preferredColorScheme=0",), DARK)],
    ids=["light", "dark"],
)
def test_a_browser_draws_the_page_in_its_own_colours_and_has_no_complaint(
    reported: tuple[dict[str, Any], Path], tmp_path: Path, words: tuple[str, ...], paper: tuple[int, ...]
) -> None:
    picture = tmp_path / "page.png"
    logged = look(reported[1], picture, *words)
    assert "CONSOLE" not in logged
    assert first_pixel(picture) == paper
    assert picture.stat().st_size > 60_000, "there are charts on it"


def test_on_a_telephone_nothing_is_wider_than_the_page(
    reported: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_bytes(reported[1].read_bytes())
    frame = tmp_path / "telephone.html"
    frame.write_text(
        f"""<iframe src="page.html" style="width:{TELEPHONE}px;height:800px;border:0"></iframe><p></p><script>
        document.querySelector("iframe").onload = (event) => {{
          const page = event.target.contentDocument;
          const shown = [...page.querySelectorAll("svg")].filter((one) => one.clientWidth > 0);
          document.querySelector("p").textContent =
            `wide ${{page.documentElement.scrollWidth}} drawn ${{shown.length}}`;
        }};</script>""",
        encoding="utf-8",
    )
    words = ("--allow-file-access-from-files", "--dump-dom")
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", *words]
    command += [f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    found = re.search(r"wide (\d+) drawn (\d+)", done.stdout)
    assert found, done.stdout[-500:]
    assert int(found[1]) <= TELEPHONE
    # Equity, drawdown, profit, four prices, two maps, and two pictures of each of four experts.
    assert int(found[2]) == 3 + 4 + 2 + 8


def test_the_browser_would_say_what_is_wrong_with_a_page(tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<!doctype html><script>undefinedThing()</script>", encoding="utf-8")
    assert re.search("CONSOLE.*undefinedThing", look(page, tmp_path / "wrong.png"))
