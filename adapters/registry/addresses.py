"""Addresses of models: `models:/NAME@ALIAS` and `models:/NAME/VERSION` in a registry, or a folder."""

import re
from typing import Final, NamedTuple

from daemon.errors import ModelNotFoundError

_ADDRESS: Final = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


class Address(NamedTuple):
    """Where in a registry a model is: under an alias, or a version that stays what it is."""

    name: str
    alias: str | None
    version: str | None


def is_registered(uri: str) -> bool:
    """Return whether a model's address points into a registry, not at a folder."""
    return uri.startswith("models:")


def address_of(uri: str) -> Address | None:
    """Return a model's address in its parts; None of a folder, and of what is no address."""
    parts = _ADDRESS.fullmatch(uri)
    return None if parts is None else Address(parts["name"], parts["alias"], parts["version"])


def demand_address(uri: str) -> Address:
    """Return the address of a registered model in its parts.

    Raises:
        ModelNotFoundError: It is none.
    """
    found = address_of(uri)
    if found is None:
        raise ModelNotFoundError(
            f"{uri!r} is no model's address: write models:/NAME@ALIAS, models:/NAME/VERSION, or a folder."
        )
    return found
