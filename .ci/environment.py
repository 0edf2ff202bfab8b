"""Makes a virtual environment from a lock file with hashes: `python environment.py ENVIRONMENT LOCK`.

Run by ./papertape and ./test with whatever Python the machine has, so it uses the standard library alone. It
may be started twice at once (the second waits for the first) and killed at any moment (the next start begins
again).
"""

import ctypes
import fcntl
import shutil
import subprocess
import sys
import venv
from pathlib import Path

STAMP = "installed.lock"


def say(text: str) -> None:
    """Tell the user what is going on, on stderr: stdout belongs to the command that was asked for."""
    sys.stderr.write(f"papertape: {text}\n")
    sys.stderr.flush()


def is_ready(environment: Path, lock: Path) -> bool:
    """Return whether the environment was completed from exactly this lock."""
    stamp = environment / STAMP
    return (
        (environment / "bin" / "python").exists()
        and stamp.is_file()
        and stamp.read_bytes() == lock.read_bytes()
    )


def install(environment: Path, lock: Path) -> None:
    """Make the environment anew and stamp it.

    Raises:
        OSError: The folder cannot be written.
        subprocess.CalledProcessError: pip failed; its own message is on stderr.
    """
    content = lock.read_bytes()
    if environment.exists():
        shutil.rmtree(environment)
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    # The lock is complete (--no-deps) and wheels need no compiler and run no code of theirs (--only-binary).
    options = ["--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, *options, "--require-hashes", "-r", str(lock)], check=True, stdout=sys.stderr)  # noqa: S603 - fixed arguments
    part = environment / (STAMP + ".part")
    part.write_bytes(content)
    part.rename(environment / STAMP)


def warn_without_openmp() -> None:
    """Say what is missing if LightGBM could not be loaded: its wheels leave OpenMP to the system."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        say(
            "this machine lacks libgomp.so.1, which LightGBM needs: "
            "apt-get install libgomp1 (Debian, Ubuntu) or dnf install libgomp (Fedora)."
        )


def main(environment: Path, lock: Path) -> int:
    """Make the environment unless it is there; return the exit code."""
    try:
        with environment.with_name(environment.name + ".busy").open("w") as busy:
            try:
                fcntl.flock(busy, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another process is making {environment.name}/, waiting for it ...")
                fcntl.flock(busy, fcntl.LOCK_EX)
            if not is_ready(environment, lock):
                say(f"making {environment.name}/ from {lock.name}: first use or a changed lock ...")
                install(environment, lock)
                warn_without_openmp()
                say(f"{environment.name}/ is ready.")
    except subprocess.CalledProcessError as error:
        say(
            f"making {environment.name}/ failed with exit code {error.returncode}; the reason stands above. "
            "The network is needed this once. Start again when it is mended: nothing half-made is ever used."
        )
        return 1
    except OSError as error:
        say(f"cannot make {environment}: {error}. Free the space or the folder and start again.")
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next start begins again.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
