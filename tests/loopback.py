"""Ports of this machine that nobody has."""

import socket


def free_port() -> int:
    """One of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def free_address() -> str:
    """One of them, with its host."""
    return f"127.0.0.1:{free_port()}"
