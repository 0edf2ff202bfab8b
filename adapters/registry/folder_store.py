"""Model bundles as plain folders: no registry, no aliases, nothing but files."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from daemon.errors import ModelNotFoundError, UserError, unwritable
from daemon.ports import Files

MARK: Final = "bundle.json"
"""A folder that holds this file is taken for a bundle and may be replaced by another."""

VERSION_DIGITS: Final = 12
TRIAL_BYTES: Final = 65_536


class FolderStore:
    """Reads bundles from folders, and writes to one.

    Args:
        folder: Where `register` writes; `load` takes any folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    def load(self, uri: str) -> tuple[str, Files]:
        """Return (version, files) of the bundle in the folder `uri`; the version is a digest of the files.

        Raises:
            ModelNotFoundError: There is no such folder, or it holds no bundle.
            UserError: It cannot be read: not permitted, or replaced at this moment.
        """
        folder = Path(uri)
        try:
            if not (folder / MARK).is_file():
                what = "holds no model" if folder.is_dir() else "is no folder"
                raise ModelNotFoundError(
                    f"{uri} {what}. Name a folder that `papertape train --out` or `papertape pack --out` "
                    "wrote, or a registered model: models:/NAME@ALIAS."
                )
            files = read_folder(folder)
        except OSError as error:
            raise UserError(f"{uri} cannot be read: {error.strerror or error}.") from error
        return version_of(files), files

    def version_of(self, uri: str) -> str:
        """Return the version of the bundle in the folder `uri`.

        Raises:
            ModelNotFoundError, UserError: As `load` does.
        """
        return self.load(uri)[0]

    def register(self, name: str, alias: str | None, files: Files, metrics: Mapping[str, float]) -> str:
        """Write the files into the folder and return their version; names, aliases and metrics have no place.

        A bundle that was there is replaced whole or not at all.

        Raises:
            UserError: The folder holds something else, or no folder can be there.
            StorageError: The disk is full, read-only or broken.
        """
        del name, alias, metrics
        folder = self._folder
        self._demand_own()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            try:
                write_folder(fresh, files)
                if folder.exists():
                    shutil.rmtree(folder)
                fresh.rename(folder)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise
        except OSError as error:
            raise unwritable(folder, error) from error
        return version_of(files)

    def demand_writable(self) -> None:
        """Check that `register` could write, before the hours of work whose result it is to keep.

        Raises:
            UserError, StorageError: As `register` does.
        """
        self._demand_own()
        demand_writable(self._folder)

    def _demand_own(self) -> None:
        folder = self._folder
        if (
            folder.exists()
            and not (folder / MARK).is_file()
            and (not folder.is_dir() or any(folder.iterdir()))
        ):
            raise UserError(f"{folder} exists and holds no model: name a new or empty folder.")


def demand_writable(place: Path) -> None:
    """Check that there is room for a file beside a place, whose folders need not be there yet.

    Raises:
        UserError: No file can be there: what was named as a folder is a file, or it is not permitted.
        StorageError: The disk is full, read-only or broken.
    """
    folder = next((parent for parent in place.absolute().parents if parent.exists()), place.absolute().parent)
    try:
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(bytes(TRIAL_BYTES))
    except OSError as error:
        raise unwritable(place, error) from error


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files directly in a folder, by name, sorted."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def write_folder(folder: Path, files: Files) -> None:
    """Write files into a folder that exists, readable by others."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    folder.chmod(0o755)


def version_of(files: Files) -> str:
    """Return a short digest of names and contents."""
    whole = hashlib.blake2b(digest_size=32)
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode())
        whole.update(files[name])
    return whole.hexdigest()[:VERSION_DIGITS]
