"""Versions and aliases of one model in MLflow's registry, and where an alias pointed before.

Each move of an alias puts the version it pointed at on a tag of the registered model,
`papertape.before.ALIAS`: version numbers with commas, the newest last. Going back takes the last one off. A
move by other hands (MLflow's own page) puts nothing there: then going back leads to where papertape last
moved the alias from.
"""

from typing import TYPE_CHECKING, Final

from daemon.errors import ModelNotFoundError
from daemon.ports import ModelVersionRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

BEFORE: Final = "papertape.before."
"""Of the tag; the alias follows."""

MOST_KEPT: Final = 50


def there_is(client: "MlflowClient", name: str) -> bool:
    """Return whether a model of this name is registered."""
    return any(model.name == name for model in client.search_registered_models(f"name = '{name}'"))


def listed(client: "MlflowClient", name: str) -> tuple[ModelVersionRecord, ...]:
    """Return what is known of each version, the newest first."""
    aliases = _aliases(client, name)
    records = []
    for found in client.search_model_versions(f"name = '{name}'"):
        run = client.get_run(found.run_id).data if found.run_id else None
        version = str(found.version)
        records.append(
            ModelVersionRecord(
                version=version,
                aliases=tuple(sorted(alias for alias, of in aliases.items() if of == version)),
                registered_s=int(found.creation_timestamp) // 1000,
                metrics=dict(run.metrics) if run else {},
                parameters=dict(run.params) if run else {},
            )
        )
    return tuple(sorted(records, key=lambda record: int(record.version), reverse=True))


def point(client: "MlflowClient", name: str, alias: str, version: str) -> str | None:
    """Point an alias at a version and remember where it pointed; return that.

    Raises:
        ModelNotFoundError: There is no such version; says which there are.
    """
    _demand_version(client, name, version)
    current = _aliases(client, name).get(alias)
    if current is not None and current != version:
        _remember(client, name, alias, [*_before(client, name, alias), current])
    client.set_registered_model_alias(name, alias, version)
    return current


def back(client: "MlflowClient", name: str, alias: str) -> tuple[str, str]:
    """Point an alias at where it pointed before; return the version it leaves, and the one it comes to.

    Raises:
        ModelNotFoundError: The alias points nowhere, or nothing is known of before.
    """
    current = _aliases(client, name).get(alias)
    if current is None:
        raise ModelNotFoundError(
            f"models:/{name}@{alias} points nowhere: `papertape models promote VERSION`."
        )
    there = set(_versions(client, name))
    before = [version for version in _before(client, name, alias) if version in there]
    while before and before[-1] == current:
        before.pop()
    if not before:
        raise ModelNotFoundError(
            f"it is not known which version models:/{name}@{alias} pointed at before version {current}: "
            f"name one ({', '.join(sorted(there, key=int))}) with `papertape models promote VERSION`."
        )
    client.set_registered_model_alias(name, alias, before[-1])
    _remember(client, name, alias, before[:-1])
    return current, before[-1]


def withdraw(client: "MlflowClient", name: str, alias: str) -> str | None:
    """Take an alias away; return the version that it pointed at."""
    current = _aliases(client, name).get(alias)
    if current is not None:
        client.delete_registered_model_alias(name, alias)
    return current


def _aliases(client: "MlflowClient", name: str) -> dict[str, str]:
    # MLflow gives versions as text in one place and as numbers in the other.
    return {str(alias): str(of) for alias, of in client.get_registered_model(name).aliases.items()}


def _versions(client: "MlflowClient", name: str) -> list[str]:
    return [str(found.version) for found in client.search_model_versions(f"name = '{name}'")]


def _demand_version(client: "MlflowClient", name: str, version: str) -> None:
    there = _versions(client, name)
    if version not in there:
        known = ", ".join(sorted(there, key=int)) or "none"
        raise ModelNotFoundError(f"model {name!r} has no version {version}; it has {known}.")


def _before(client: "MlflowClient", name: str, alias: str) -> list[str]:
    told = client.get_registered_model(name).tags.get(BEFORE + alias, "")
    return [version for version in str(told).split(",") if version]


def _remember(client: "MlflowClient", name: str, alias: str, before: list[str]) -> None:
    client.set_registered_model_tag(name, BEFORE + alias, ",".join(before[-MOST_KEPT:]))
