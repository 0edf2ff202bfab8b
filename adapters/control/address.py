"""The control API's address as it stands in URLs and in the header `Host`."""


def bracketed(host: str) -> str:
    """Return a host as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def url_of(host: str, port: int, *, secure: bool) -> str:
    """Return where an API answers.

    Args:
        host: Name or address.
        port: Its port.
        secure: Whether it speaks TLS.
    """
    return f"http{'s' if secure else ''}://{bracketed(host)}:{port}"
