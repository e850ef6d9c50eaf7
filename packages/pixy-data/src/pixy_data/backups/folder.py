"""The folder of a backup.

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
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TextIO

from pydantic import BaseModel, ConfigDict, ValidationError

from pixy_core import BackupError
from pixy_data.backups.journal_copies import ImageFolders
from pixy_data.content.durable_files import (
    make_folder,
    open_private,
    sync_folder,
    write_durably,
)

_MANIFEST = "backup.json"
_LOCK = "backup.lock"
_ROWS = re.compile(r"rows-\d{8}T\d{6}\.\d{6}Z", re.ASCII)
_DATABASE = "pixy.sqlite3"
IGNORED_NAMES = frozenset({"lost+found"})
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
            BackupError: The manifest can't be written; the previous backup is intact.
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
        names = {path.name for path in self.directory.iterdir()} - IGNORED_NAMES
        if names and _LOCK not in names:
            raise BackupError(f"{self.directory} is neither empty nor a backup")

    def _explain(self, error: OSError) -> BackupError:
        return BackupError(f"{self.directory} can't be used: {error.strerror}")
