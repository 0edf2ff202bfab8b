"""The units as systemd's own tools see them, and papertape under what they forbid."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, program, skip_or_fail
from tests.deploy.sandbox import PR_SET_MDWE, allowed, settings_of
from tests.integration.command_line import environment, write_job

UNITS = ("papertape.service", "papertape@.service")
FOLDER = REPOSITORY / "deploy" / "systemd"
MOST_EXPOSURE = 2.0
PR_GET_MDWE = PR_SET_MDWE + 1


@pytest.fixture
def analyze() -> str:
    return program("systemd-analyze", "the units are checked with it")


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_to_say_about_the_unit(unit: str, analyze: str, tmp_path: Path) -> None:
    text = (FOLDER / unit).read_text(encoding="utf-8")
    # Installed where this checkout is: verify looks for what is started.
    here = text.replace("/opt/papertape/.venv/bin/python", sys.executable)
    installed = tmp_path / unit.replace("@", "@binance")
    installed.write_text(here.replace("/opt/papertape", str(REPOSITORY)), encoding="utf-8")
    done = subprocess.run([analyze, "verify", installed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_exposure_is_low(unit: str, analyze: str) -> None:
    words = [analyze, "security", "--offline=true", "--no-pager", str(FOLDER / unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= MOST_EXPOSURE
    assert done.returncode == 0


def test_both_units_say_the_same_but_for_the_instances_name() -> None:
    plain, template = (settings_of(FOLDER / unit) for unit in UNITS)

    def without_instance(value: str) -> str:
        return value.replace("-%i", "").replace("%i", "papertape")

    assert plain == {name: [*map(without_instance, values)] for name, values in template.items()}


def test_a_group_of_calls_that_is_denied_is_not_left(analyze: str) -> None:
    left = allowed(settings_of(FOLDER / UNITS[0])["SystemCallFilter"])
    assert {"read", "mmap", "futex", "socket", "epoll_wait"} <= left
    assert not {"mount", "ptrace", "reboot", "setuid", "nice", "bpf"} & left


def test_papertape_replays_and_serves_under_the_units_system_call_filter(
    analyze: str, tmp_path: Path
) -> None:
    if ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0:
        pytest.skip("this Linux cannot refuse writable pages that are executable to a process (6.3 can)")
    try:
        ctypes.CDLL("libseccomp.so.2")
    except OSError:
        skip_or_fail("libseccomp is not installed: the filter is made with it")
    sandbox = [sys.executable, str(REPOSITORY / "tests/deploy/sandbox.py"), str(FOLDER / UNITS[0])]
    words = [*write_job(tmp_path).words("run.tape", until="2024-01-02T17:00"), "--serve", "0"]
    done = subprocess.run(
        [*sandbox, sys.executable, "-m", "papertape", *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The filter was there: what it forbids fails.
    probe = "import os; os.nice(1)"
    refused = subprocess.run(
        [*sandbox, sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert "PermissionError" in refused.stderr
