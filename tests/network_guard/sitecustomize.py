"""Put on a child's PYTHONPATH: refuses every connection and look-up outside loopback, and writes it down.

An audit hook sees the calls of all Python code, however it imported `socket`, and cannot be taken out again.
"""

import os
import sys
from typing import Any

RECORD = os.environ["NETWORK_GUARD_RECORD"]
LOOPBACK_NAMES = {"localhost", "localhost.localdomain", "", None}


def is_loopback(host: Any) -> bool:
    """Return whether a host is this machine; a name other than localhost would be looked up outside."""
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    return host in LOOPBACK_NAMES or str(host).startswith("127.") or host == "::1"


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what leaves the machine; unix sockets, whose addresses are no tuples, stay."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
        host = arguments[0]
    else:
        return
    if not is_loopback(host):
        # Not through open(): the hook must not call itself into a recursion on exotic events.
        record = os.open(RECORD, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(record, f"{event} {host} by {' '.join(sys.orig_argv)}\n".encode())
        os.close(record)
        message = f"the tests' network guard refuses {event} to {host}"
        raise OSError(message)


sys.addaudithook(watch)
