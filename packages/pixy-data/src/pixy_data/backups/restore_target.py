"""The folders that a backup is restored to; they must be empty."""

from contextlib import suppress
from pathlib import Path

from pixy_core import BackupError
from pixy_data.backups.file_copies import FileCopier
from pixy_data.backups.folder import IGNORED_NAMES
from pixy_data.backups.journal_copies import ImageFolders
from pixy_data.content.durable_files import make_folder, rename_durably


class RestoreTarget:
    """The folders of a new installation.

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
                if folder.is_dir() and {path.name for path in folder.iterdir()} - IGNORED_NAMES:
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
            raise _explain(error) from error

    @property
    def unfinished_database(self) -> Path:
        """The path of the SQLite database until it is complete."""
        if self._database is None:
            raise ValueError("the database is on a server")
        return self._database.with_name(f"{self._database.name}.restoring")

    def copy_database(self, source: Path, copier: FileCopier, *, size: int, sha256: str) -> None:
        """Copy an SQLite database under a temporary name.

        Args:
            source: The copy in the backup.
            copier: Writes it.
            size: The size that it must have.
            sha256: The hash that it must have, in hexadecimal.

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
            raise _explain(error) from error

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


def _explain(error: OSError) -> BackupError:
    return BackupError(f"{error.filename} can't be used: {error.strerror}")
