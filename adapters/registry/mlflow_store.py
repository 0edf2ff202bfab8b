"""Model bundles in MLflow: every registration is a run with its metrics, a version, and perhaps an alias.

By default MLflow is embedded: a SQLite file, the bundles in the folder `mlartifacts` beside it. Any MLflow
server will do by its URL. MLflow is imported when it is first used: that takes a second or two.
"""

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from adapters.registry.addresses import demand_address
from adapters.registry.folder_store import demand_writable, read_folder, write_folder
from adapters.registry.mlflow_aliases import back, listed, point, there_is, withdraw
from adapters.registry.mlflow_speaking import failures_told, shown, speaking
from daemon.errors import ModelNotFoundError, UserError
from daemon.ports import Files, ModelVersionRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

SQLITE: Final = "sqlite:///"
BUNDLE: Final = "bundle"
"""Folder of the files among a run's artifacts."""

PAGE_RUNS: Final = 1000
_NOT_FOUND: Final = "RESOURCE_DOES_NOT_EXIST"
_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"


class MlflowStore:
    """Names, versions and aliases of models, kept by MLflow.

    Args:
        address: Tracking and registry address: `sqlite:///FILE` or a server's URL.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def load(self, uri: str) -> tuple[str, Files]:
        """Return (version, files) of `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

        Raises:
            ModelNotFoundError: There is none; says what there is.
            UserError: The address cannot be reached, or is no MLflow's.
        """
        with speaking(self._address):
            found = self._version(uri)
            from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - see the module

        # Nobody waits for the download: that may take minutes.
        with failures_told(self._address), tempfile.TemporaryDirectory() as elsewhere:
            # A local registry hands out its own folder, a server's files come into the temporary one.
            folder = download_artifacts(
                artifact_uri=found.source,
                dst_path=None if self._is_local else elsewhere,
                tracking_uri=self._address,
            )
            return str(found.version), read_folder(Path(folder))

    def version_of(self, uri: str) -> str:
        """Return the version that an address points at now; asked once, for this is asked again and again.

        Raises:
            ModelNotFoundError: There is none; says what there is.
            UserError: The address cannot be reached, or is no MLflow's.
        """
        self._demand_file()
        with speaking(self._address, once=True):
            return str(self._version(uri).version)

    def register(
        self,
        name: str,
        alias: str | None,
        files: Files,
        metrics: Mapping[str, float],
        parameters: Mapping[str, str] | None = None,
    ) -> str:
        """Track a run, store the bundle as a new version of `name`, point `alias` at it; return the version.

        Args:
            name: The model's name.
            alias: E.g. `champion`; moves there if another version had it.
            files: The bundle.
            metrics: Shown with the run.
            parameters: Shown with the run.

        Raises:
            UserError: The address cannot be reached, or the name cannot be one.
            StorageError: The registry's disk is full, read-only or broken; nothing is registered.
        """
        _demand_name(name)
        with speaking(self._address):
            run = self._client.create_run(self._experiment(name), run_name=name)
            run_id = run.info.run_id
            version = None
            try:
                with tempfile.TemporaryDirectory() as folder:
                    write_folder(Path(folder), files)
                    self._client.log_artifacts(run_id, folder, BUNDLE)
                for key, value in (parameters or {}).items():
                    self._client.log_param(run_id, key, value)
                for key, measured in metrics.items():
                    self._client.log_metric(run_id, key, measured)
                version = self._create_version(name, f"{run.info.artifact_uri}/{BUNDLE}", run_id)
                if alias is not None:
                    point(self._client, name, alias, version)
                self._client.set_terminated(run_id)
            except BaseException:
                self._take_back(name, version, run_id, run.info.artifact_uri)
                raise
            return version

    def versions(self, name: str) -> tuple[ModelVersionRecord, ...]:
        """Return what is known of each version of a model, the newest first.

        Raises:
            ModelNotFoundError: There is no such model; says what there is.
            UserError: The address cannot be reached, or is no MLflow's.
        """
        with self._aliases(name):
            return listed(self._client, name)

    def promote(self, name: str, alias: str, version: str) -> str | None:
        """Point an alias at a version; return the one that it pointed at before, for `roll_back`.

        Raises:
            ModelNotFoundError: There is no such model or version; says what there is.
            UserError: The address cannot be reached, or is no MLflow's.
        """
        with self._aliases(name):
            return point(self._client, name, alias, version)

    def roll_back(self, name: str, alias: str) -> tuple[str, str]:
        """Point an alias at the version before; return the version it pointed at, and the one it does now.

        Raises:
            ModelNotFoundError: There is no such model or alias, or no version before is known.
            UserError: The address cannot be reached, or is no MLflow's.
        """
        with self._aliases(name):
            return back(self._client, name, alias)

    def clear(self, name: str, alias: str) -> str | None:
        """Take an alias away; return the version that it pointed at.

        Raises:
            ModelNotFoundError: There is no such model; says what there is.
            UserError: The address cannot be reached, or is no MLflow's.
        """
        with self._aliases(name):
            return withdraw(self._client, name, alias)

    @contextmanager
    def _aliases(self, name: str) -> Iterator[None]:
        """While a model that should be there is looked at."""
        _demand_name(name)
        self._demand_file()
        with speaking(self._address, once=True):
            if not there_is(self._client, name):
                raise ModelNotFoundError(
                    f"there is no model {name!r} in {shown(self._address)}; {self._what_there_is()}. "
                    "`papertape train` makes one."
                )
            yield

    def _demand_file(self) -> None:
        """Refuse a local registry that is not there; MLflow would make an empty one."""
        if self._is_local and not Path(self._address.removeprefix(SQLITE)).is_file():
            raise UserError(f"the registry {shown(self._address)} cannot be used: there is no such file.")

    def demand_writable(self, name: str) -> None:
        """Check that `register` could write, before the hours of work whose result it is to keep.

        Raises:
            UserError, StorageError: As `register` does.
        """
        _demand_name(name)
        if not self._is_local:
            self._ask()
            return
        file = Path(self._address.removeprefix(SQLITE))
        demand_writable(file)
        if file.exists():
            self._ask()

    def _ask(self) -> None:
        with speaking(self._address):
            self._client.search_registered_models(max_results=1)

    def _take_back(self, name: str, version: str | None, run_id: str, artifacts: str | None) -> None:
        """Undo a registration that failed half-way, as far as what made it fail allows."""
        # First the files: on a full disk the registry can note nothing before there is room.
        if self._is_local and artifacts is not None:
            shutil.rmtree(url2pathname(urlsplit(artifacts).path), ignore_errors=True)
        with suppress(Exception):  # the failure that is being told of counts, not one of taking back
            if version is not None:
                self._client.delete_model_version(name, version)
            self._client.set_terminated(run_id, "FAILED")

    def count_runs(self, name: str) -> int | None:
        """Return how many runs the experiment of a model has: how many versions of it were tried.

        Returns:
            None where there is no such experiment, or no registry file; none is made.

        Raises:
            UserError: The address cannot be reached, or is no MLflow's.
        """
        if self._is_local and not Path(self._address.removeprefix(SQLITE)).is_file():
            return None
        with speaking(self._address, once=True):
            experiment = self._client.get_experiment_by_name(name)
            if experiment is None:
                return None
            count, token = 0, None
            while True:
                page = self._client.search_runs(
                    [experiment.experiment_id], max_results=PAGE_RUNS, page_token=token
                )
                count, token = count + len(page), page.token
                if not token:
                    return count

    @property
    def _is_local(self) -> bool:
        return self._address.startswith(SQLITE)

    @cached_property
    def _client(self) -> "MlflowClient":
        if self._is_local:
            Path(self._address.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
        from mlflow import MlflowClient  # noqa: PLC0415 - see the module

        for talker in ("mlflow", "alembic"):
            logging.getLogger(talker).setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=self._address, registry_uri=self._address)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        beside = None
        if self._is_local:
            beside = (Path(self._address.removeprefix(SQLITE)).resolve().parent / "mlartifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=beside))

    def _create_version(self, name: str, source: str, run_id: str) -> str:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see the module

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != _EXISTS:
                raise
        return str(self._client.create_model_version(name, source, run_id).version)

    def _version(self, uri: str) -> "ModelVersion":
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see the module

        name, alias, version = demand_address(uri)
        try:
            if alias is not None:
                return self._client.get_model_version_by_alias(name, alias)
            return self._client.get_model_version(name, str(version))
        except MlflowException as error:
            # MLflow calls a missing alias an invalid value.
            if error.error_code not in {_NOT_FOUND, "INVALID_PARAMETER_VALUE"}:
                raise
            raise ModelNotFoundError(
                f"{uri}: there is no such model in {shown(self._address)}; {self._what_there_is()}. "
                f"`papertape train` makes one."
            ) from error

    def _what_there_is(self) -> str:
        models = [
            f"{model.name} (aliases {', '.join(sorted(model.aliases)) or 'none'})"
            for model in self._client.search_registered_models()
        ]
        return f"it holds {'; '.join(sorted(models))}" if models else "it holds no model"


def _demand_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise UserError(f"{name!r} cannot be a model's name: letters, digits, _ . - only, at most 64.")
