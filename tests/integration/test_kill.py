"""kill -9 at twenty moments of a real replay: it ends with the digest of one that nobody disturbed."""

import random
import time
from pathlib import Path
from subprocess import Popen

import pytest

from tests.integration.command_line import POLL_S, Job, n_batches, papertape, started, tip, wait_for

FIRST = "2024-01-01T08:00"
N_BATCHES = 3_120
N_KILLS = 20
GROUP = 48


@pytest.fixture(scope="module")
def undisturbed(job: Job) -> Path:
    done = papertape(job.words("undisturbed.tape", first=FIRST), job.folder)
    assert done.returncode == 0, done.stderr
    return job.folder / "undisturbed.tape"


def wait_for_moment(number: int, process: Popen[str], tape: Path, chance: random.Random) -> None:
    """Return when the process is to die.

    Before the tape is made, while it is made, while it is begun, while it is taken up again, and at moments
    spread over the whole run; always a little later than what can be seen from outside.
    """
    lock = tape.with_name(tape.name + ".lock")
    at_most_s = 0.03  # about what a group takes
    if number == 0:
        wait_for(process, lock.exists, POLL_S)
    elif number == 1:
        wait_for(process, lambda: tape.exists() and tape.stat().st_size > 0, POLL_S)
    elif number == 2:
        wait_for(process, lambda: tip(tape) is not None, POLL_S)
    elif number % 4 == 3:
        # Its own number in the lock file: from here on it restores the last snapshot and follows the tape.
        wait_for(process, lambda: lock.exists() and lock.read_text().strip() == str(process.pid), POLL_S)
        at_most_s = 0.3
    else:
        target = N_BATCHES * number / (N_KILLS + 1)
        wait_for(process, lambda: n_batches(tape) >= target, POLL_S)
    time.sleep(chance.uniform(0.0, at_most_s))


@pytest.mark.slow
def test_killed_at_twenty_moments_a_replay_ends_with_the_digest_of_an_undisturbed_one(
    job: Job, undisturbed: Path
) -> None:
    chance = random.Random(20)
    tape = job.folder / "killed.tape"
    words = job.words(tape.name, first=FIRST)
    found = []
    for number in range(N_KILLS):
        with started(words, job.folder) as process:
            wait_for_moment(number, process, tape, chance)
            assert process.poll() is None, (job.folder / "stderr.txt").read_text(encoding="utf-8")
            process.kill()
            process.wait()
        found.append(n_batches(tape))

    assert found == sorted(found), "a batch that was committed is gone"
    assert found[0] <= 0, "no kill came before the first commit"
    assert len(set(found)) >= N_KILLS // 2, "the kills did not hit different places"
    assert not any(number % GROUP for number in found if number > 0), "part of a group is on the tape"
    assert found[-1] < N_BATCHES

    last = papertape(words, job.folder)
    assert last.returncode == 0, last.stderr
    assert tip(tape) == tip(undisturbed)
    verified = papertape(["verify", tape.name], job.folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr
