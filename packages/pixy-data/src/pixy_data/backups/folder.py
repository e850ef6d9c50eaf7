"""The folder of a backup: what is in it, and which of it counts.

`backup.json` names everything that belongs to the backup. It is replaced last, so a backup that
was interrupted leaves the one before it as it was.

    FOLDER/backup.json            the manifest
    FOLDER/backup.lock            held while a backup is made
    FOLDER/rows-TIME/             the database, where it is a file, the journal, and images.txt: the
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
from pixy_data.content.durable_files import make_folder, sync_folder, write_durably

_MANIFEST = "backup.json"
_LOCK = "backup.lock"
_ROWS = re.compile(r"rows-\d{8}T\d{6}\.\d{6}Z", re.ASCII)
_DATABASE = "pixy.sqlite3"
_FOREIGN = frozenset({"lost+found"})
"""What a folder may hold and still count as empty: a new file system has it."""


class DatabaseCopy(BaseModel):
    """What the copy of a database must be."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str


class BackupManifest(BaseModel):
    """What belongs to a backup.

    Attributes:
        version: Of this form.
        created_at: When its rows were copied.
        store: The mark that its database and its image folder share.
        schema_revision: Of its tables.
        rows: The folder of its database and journal.
        database: The copy of the database; None where the database's own tool copies it.
        images: Lines of its list of images. A row that is not in the list is of an image that was
            deleted while the backup was made.
        entries: Entries of the journal that it has.
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
    """One folder with at most one complete backup.

    Args:
        directory: The folder.

    Attributes:
        directory: Its absolute path.
        images: Its image folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.images = self.directory / "images"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other backups out of the folder, which is made if need be.

        Raises:
            BackupError: Another process has it, it holds something else, or it can't be made.
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
        """Return what belongs to the backup; None when there is no complete one.

        Raises:
            BackupError: The manifest can't be read.
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
            # without the cause, which repeats what was read
            pass
        raise BackupError(
            f"{self.directory / _MANIFEST} is damaged, or of a newer version of PixyProxy"
        )

    def begin(self) -> str:
        """Make a folder for rows that belong to no backup yet, and return its name.

        Raises:
            BackupError: It can't be made.
        """
        name = f"rows-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        try:
            for folder in (self.images, self.directory / name, self.folders(name).journal):
                make_folder(folder)
        except OSError as error:
            raise self._explain(error) from error
        return name

    @contextmanager
    def open_list(self, rows: str) -> Iterator[TextIO]:
        """Open the list of images to write it, one guid a line; it is synced at the end.

        Raises:
            BackupError: It can't be written.
        """
        try:
            with open(self._list(rows), "x", encoding="ascii", opener=_open_private) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.directory / rows)
        except OSError as error:
            raise self._explain(error) from error

    def read_list(self, manifest: BackupManifest) -> set[str]:
        """Return the guid of each image that has a row and was not deleted.

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
        """Make what was copied the backup; everything of it is on the disk.

        Args:
            manifest: What belongs to it.

        Raises:
            BackupError: It can't be written; the backup before it is as it was.
        """
        try:
            write_durably(
                self.directory / _MANIFEST, f"{manifest.model_dump_json(indent=2)}\n".encode()
            )
        except OSError as error:
            raise self._explain(error) from error

    def remove(self, files: list[Path], *, keep: str) -> None:
        """Remove files, and all rows but those of the backup.

        Args:
            files: Files of the folder that belong to no backup.
            keep: The folder of the backup's rows.

        Raises:
            BackupError: They can't be removed.
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
        """Return the folders of the files, and of the journal that was copied with some rows."""
        return ImageFolders(self.images, self.directory / rows / "journal")

    def database(self, rows: str) -> Path:
        """Return the file of the database that was copied along with some rows."""
        return self.directory / rows / _DATABASE

    def describe_database(self, rows: str) -> DatabaseCopy:
        """Sync a copied database, and return its size and hash.

        Raises:
            BackupError: It can't be read.
        """
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
        """Refuse a folder that holds something else than a backup."""
        names = {path.name for path in self.directory.iterdir()} - _FOREIGN
        if names and _LOCK not in names:
            raise BackupError(f"{self.directory} is neither empty nor a backup")

    def _explain(self, error: OSError) -> BackupError:
        return BackupError(f"{self.directory} can't be used: {error.strerror}")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
