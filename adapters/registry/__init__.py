"""Where model bundles live: MLflow's registry, or plain folders."""

from adapters.registry.addresses import Address, address_of, demand_address, is_registered
from adapters.registry.folder_store import FolderStore
from adapters.registry.mlflow_speaking import shown
from adapters.registry.mlflow_store import MlflowStore
from daemon.ports import ModelStore


def open_store(uri: str, registry: str) -> ModelStore:
    """Return the store that a model's address points into.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or a folder.
        registry: MLflow's address, e.g. `sqlite:///var/mlflow.db`, for the first two.
    """
    return MlflowStore(registry) if is_registered(uri) else FolderStore(uri)


__all__ = [
    "Address",
    "FolderStore",
    "MlflowStore",
    "address_of",
    "demand_address",
    "is_registered",
    "open_store",
    "shown",
]
