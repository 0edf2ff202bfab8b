"""Runs a command line under a unit's seccomp filter, as systemd would: what needs no systemd to be tried.

    python tests/deploy/sandbox.py UNIT COMMAND...

Of the unit it takes SystemCallFilter, RestrictAddressFamilies, MemoryDenyWriteExecute (by PR_SET_MDWE, Linux
6.3) and Environment; libseccomp makes the filter, systemd-analyze says what is in systemd's groups of calls.
"""

import ctypes
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
EQUAL = 4
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1


class Comparison(ctypes.Structure):
    """libseccomp's scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def settings_of(unit: Path) -> dict[str, list[str]]:
    """The lines of a unit's section Service, by name."""
    found: dict[str, list[str]] = {}
    service = unit.read_text(encoding="utf-8").split("[Service]")[1].split("\n[")[0]
    for line in service.splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def calls_of(group: str) -> set[str]:
    """The system calls of a group such as @system-service, those of its groups included."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", group],  # noqa: S607 - where the system has it
        capture_output=True,
        text=True,
        check=True,
    )
    words = [line.strip() for line in done.stdout.splitlines()[1:] if not line.strip().startswith("#")]
    return {call for word in words if word for call in (calls_of(word) if word[0] == "@" else {word})}


def allowed(filters: list[str]) -> set[str]:
    """The calls that lines of SystemCallFilter leave, the first of which allows."""
    left: set[str] = calls_of("@default")
    for line in filters:
        named = {call for group in line.removeprefix("~").split() for call in calls_of(group)}
        left = left - named if line.startswith("~") else left | named
    return left


def confine(settings: dict[str, list[str]]) -> None:
    """Put this process, and what it becomes, under the filter."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    filters = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(REFUSE)))
    for call in sorted(allowed(settings["SystemCallFilter"]) - {"socket"}):
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            library.seccomp_rule_add_array(filters, ctypes.c_uint32(ALLOW), number, 0, None)
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in settings["RestrictAddressFamilies"][-1].split():
        comparison = Comparison(0, EQUAL, int(getattr(socket, family)), 0)
        library.seccomp_rule_add_array(filters, ctypes.c_uint32(ALLOW), number, 1, ctypes.byref(comparison))
    if settings.get("MemoryDenyWriteExecute") == ["yes"]:
        assert ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) == 0, "needs Linux 6.3"
    assert library.seccomp_load(filters) == 0


if __name__ == "__main__":
    unit = settings_of(Path(sys.argv[1]))
    environment = dict(word.split("=", 1) for line in unit["Environment"] for word in line.split())
    confine(unit)
    os.execvpe(sys.argv[2], sys.argv[2:], {**os.environ, **environment})  # noqa: S606 - no shell, as systemd
