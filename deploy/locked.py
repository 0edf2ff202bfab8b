"""Prints some of a lock file's requirements, with their hashes: `python locked.py LOCK NAMES`.

NAMES is a file with a name a line. The image has extras that the first lock has not, and takes them from the
second, with the versions and hashes that the tests ran with.
"""

import re
import sys
from pathlib import Path


def selected(lock: str, names: list[str]) -> str:
    """Return the lock's requirements of these names.

    Raises:
        KeyError: A name is not in the lock.
    """
    blocks = {
        match["name"]: match[0]
        for match in re.finditer(r"^(?P<name>[a-z0-9-]+)==(?:.*\\\n)*.*\n", lock, re.MULTILINE)
    }
    return "".join(blocks[name] for name in names)


def names_in(text: str) -> list[str]:
    """Return the names, without comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


if __name__ == "__main__":
    lock_file, names_file = map(Path, sys.argv[1:])
    sys.stdout.write(selected(lock_file.read_text("utf-8"), names_in(names_file.read_text("utf-8"))))
