"""The folder of a backup, and the folders that it is restored to.

`backup.json` names everything that belongs to the backup. It is replaced last, so an interrupted
backup leaves the previous one intact.

    FOLDER/backup.json            the manifest
    FOLDER/backup.lock            held while a backup is made
    FOLDER/rows-TIME/             the database (if it is SQLite), the journal, and images.txt: the
                                  guid of each image that has a row and is not deleted
    FOLDER/images/                the files, as in the data folder
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from pixy_core import BackupError
from pixy_data.backups.copies import FileCopier, ImageFolders
from pixy_data.content.durable_files import (
    make_folder,
    open_private,
    rename_durably,
    sync_folder,
    write_durably,
)

_MANIFEST = "backup.json"
_LOCK = "backup.lock"
_ROWS = re.compile(r"rows-\d{8}T\d{6}\.\d{6}Z", re.ASCII)
_DATABASE = "pixy.sqlite3"
_IGNORED_NAMES = frozenset({"lost+found"})
"""A folder with only these counts as empty: a new file system has them."""


class DatabaseCopy(BaseModel):
    """The size and hash of the copy of a database."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str


class BackupManifest(BaseModel):
    """What belongs to a backup.

    Attributes:
        version: Of this format.
        created_at: When its rows were copied.
        store: The mark that its database and its image folder share.
        schema_revision: Of its tables.
        rows: The folder of its database and journal.
        database: The copy of the database; None if the database's own tool makes it.
        images: The length of its list of images. Images that have a row and are not in the list
            were deleted while the backup was made.
        entries: The number of its journal entries.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    created_at: datetime
    store: str
    schema_revision: str
    rows: str
    database: DatabaseCopy | None
    images: int
    entries: int


class BackupFolder:
    """A folder with at most one complete backup.

    Its methods raise BackupError when the folder can't be read or written.

    Attributes:
        directory: Its absolute path.
        images: Its image folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.images = self.directory / "images"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder against other processes; it is created if necessary.

        Raises:
            BackupError: Another process has locked it, or it contains something else.
        """
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_others()
            descriptor = os.open(
                self.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise self._explain(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise BackupError(f"Another process is using {self.directory}") from error
        finally:
            os.close(descriptor)

    def find_manifest(self) -> BackupManifest | None:
        """Return the manifest; None if there is no complete backup.

        Raises:
            BackupError: The manifest is damaged.
        """
        try:
            manifest = BackupManifest.model_validate_json((self.directory / _MANIFEST).read_bytes())
            if _ROWS.fullmatch(manifest.rows) is not None:
                return manifest
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._explain(error) from error
        except ValidationError:
            # raised below without its cause, which repeats the content
            pass
        raise BackupError(
            f"{self.directory / _MANIFEST} is damaged, or of a newer version of PixyProxy"
        )

    def begin(self) -> str:
        """Create a folder for the rows of a new backup, and return its name."""
        name = f"rows-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        try:
            for folder in (self.images, self.directory / name, self.folders(name).journal):
                make_folder(folder)
        except OSError as error:
            raise self._explain(error) from error
        return name

    @contextmanager
    def open_list(self, rows: str) -> Iterator[TextIO]:
        """Open the list of images for writing, one guid per line; it is synced at the end."""
        try:
            with open(self._list(rows), "x", encoding="ascii", opener=open_private) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.directory / rows)
        except OSError as error:
            raise self._explain(error) from error

    def read_list(self, manifest: BackupManifest) -> set[str]:
        """Return the guid of each image that has a row and is not deleted.

        Raises:
            BackupError: The list is damaged.
        """
        try:
            guids = set(self._list(manifest.rows).read_text("ascii").split())
        except OSError as error:
            raise self._explain(error) from error
        except UnicodeDecodeError:
            guids = set()
        if len(guids) != manifest.images:
            raise BackupError(f"{self._list(manifest.rows)} is damaged")
        return guids

    def commit(self, manifest: BackupManifest) -> None:
        """Complete a backup whose files are all on the disk.

        Raises:
            BackupError: The manifest can't be written; it describes this or the previous backup.
        """
        try:
            write_durably(
                self.directory / _MANIFEST, f"{manifest.model_dump_json(indent=2)}\n".encode()
            )
        except OSError as error:
            raise self._explain(error) from error

    def remove(self, files: list[Path], *, keep: str) -> None:
        """Remove what does not belong to the backup.

        Args:
            files: Files of the folder that do not belong to it.
            keep: The folder of its rows; the other ones are removed.
        """
        try:
            for file in files:
                file.unlink(missing_ok=True)
            for path in self.directory.iterdir():
                if _ROWS.fullmatch(path.name) and path.name != keep:
                    shutil.rmtree(path)
        except OSError as error:
            raise self._explain(error) from error

    def folders(self, rows: str) -> ImageFolders:
        """Return the image folder, and that of the journal that was copied with these rows."""
        return ImageFolders(self.images, self.directory / rows / "journal")

    def database(self, rows: str) -> Path:
        """Return the path of the database that was copied with these rows."""
        return self.directory / rows / _DATABASE

    def describe_database(self, rows: str) -> DatabaseCopy:
        """Sync a copied database, and return its size and hash."""
        try:
            with self.database(rows).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
                return DatabaseCopy(size=os.fstat(file.fileno()).st_size, sha256=digest)
        except OSError as error:
            raise self._explain(error) from error

    def _list(self, rows: str) -> Path:
        return self.directory / rows / "images.txt"

    def _refuse_others(self) -> None:
        names = {path.name for path in self.directory.iterdir()} - _IGNORED_NAMES
        if names and _LOCK not in names:
            raise BackupError(f"{self.directory} is neither empty nor a backup")

    def _explain(self, error: OSError) -> BackupError:
        return BackupError(f"{self.directory} can't be used: {error.strerror}")


class RestoreTarget:
    """The folders of a new installation, which must be empty.

    Args:
        folders: Its image folder and its journal's folder.
        database: Its SQLite file; None: it is on a server.
    """

    def __init__(self, folders: ImageFolders, database: Path | None) -> None:
        self.folders = folders
        self._database = database

    def prepare(self) -> None:
        """Create the folders.

        Raises:
            BackupError: One is not empty, or can't be created.
        """
        try:
            for folder in self.folders:
                if folder.is_dir() and {path.name for path in folder.iterdir()} - _IGNORED_NAMES:
                    raise BackupError(
                        f"{folder} is not empty: a backup is restored to a new data folder"
                    )
            if self._database is not None:
                self._refuse_database(self._database)
                # a killed restore may have left one, perhaps of another backup
                self.discard_database()
                self._database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folders.images.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in self.folders:
                make_folder(folder)
        except OSError as error:
            raise self._explain(error) from error

    @property
    def unfinished_database(self) -> Path:
        """The path of the SQLite database until it is complete."""
        if self._database is None:
            raise ValueError("the database is on a server")
        return self._database.with_name(f"{self._database.name}.restoring")

    def copy_database(self, source: Path, copier: FileCopier, *, size: int, sha256: str) -> None:
        """Copy an SQLite database under a temporary name.

        Raises:
            BackupError: It is damaged, or can't be written.
        """
        if copier.copy(source, self.unfinished_database, size=size, sha256=sha256) is not None:
            raise BackupError(f"{source} is not what it was when the backup was made")

    def publish_database(self) -> None:
        """Give the SQLite database its final name, after everything else is restored.

        Raises:
            BackupError: It can't be renamed, or a database was created in the meantime.
        """
        if self._database is None:
            return
        self._refuse_database(self._database)
        try:
            rename_durably(self.unfinished_database, self._database)
        except OSError as error:
            raise self._explain(error) from error

    def discard_database(self) -> None:
        """Remove an unfinished database."""
        if self._database is not None:
            for ending in ("", "-wal", "-shm"):
                with suppress(OSError):
                    Path(f"{self.unfinished_database}{ending}").unlink()

    @staticmethod
    def _refuse_database(database: Path) -> None:
        # SQLite would apply the leftover log of another database to this one
        for path in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
            if path.exists() or path.is_symlink():
                raise BackupError(f"{path} exists: a backup is restored to a new database")

    @staticmethod
    def _explain(error: OSError) -> BackupError:
        return BackupError(f"{error.filename} can't be used: {error.strerror}")
