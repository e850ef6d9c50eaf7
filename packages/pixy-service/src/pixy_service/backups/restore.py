"""Restores a backup to a new data folder: files first, the database last.

An interrupted restore leaves no database, so nobody serves half an installation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixy_core import (
    BackupError,
    ConfigurationError,
    ContentDamagedError,
    SchemaError,
)
from pixy_data import (
    BackupFolder,
    BackupManifest,
    Database,
    FileCopier,
    FileRecord,
    FileStore,
    FolderMark,
    ImageFolders,
    ImageRepository,
    Journal,
    JournalCopier,
    RestoreTarget,
    StoreMarker,
    check_revision,
    open_database,
    open_existing_database,
)
from pixy_service.checking import Finding, FindingKind

_NO_SERVER = (
    "The backup holds a SQLite database: set PIXY_DATABASE_URL to a file that does not exist, or "
    "leave it out"
)
_NO_FILE = (
    "The backup holds no database: load its dump into an empty MySQL database, and set "
    "PIXY_DATABASE_URL to that"
)
_NOT_LOADED = (
    "The database is not the one that the backup belongs to: load its dump into an empty database "
    "first"
)


class StoreRestore:
    """Restores one backup, and checks each file against its row.

    Args:
        folder: The backup.
        database: The new installation's; it is not open.
        folders: The new installation's image files and journal; empty or absent.

    Attributes:
        images: Number of restored rows.
        entries: Number of restored journal entries.
        damaged: Number of images whose files are missing or damaged in the backup.
    """

    def __init__(self, folder: BackupFolder, database: Database, folders: ImageFolders) -> None:
        path = Path(database.url.database or "").absolute() if database.sqlite else None
        self._folder = folder
        self._database = database
        self._target = RestoreTarget(folders, path)
        self._copier = FileCopier()
        self.images = self.entries = self.damaged = 0

    def run(self) -> Iterator[Finding]:
        """Restore everything, and yield each image whose file is missing or damaged.

        Raises:
            ConfigurationError: The database is of the wrong kind.
            BackupError: The backup is incomplete, or its place is taken.
            SchemaError: It was made by a newer version.
            PixyProxyException: The database or the disk failed.
        """
        manifest = self._folder.find_manifest()
        if manifest is None:
            raise BackupError(f"{self._folder.directory} holds no complete backup")
        check_revision(manifest.schema_revision)
        if (manifest.database is not None) != self._database.sqlite:
            raise ConfigurationError(_NO_SERVER if manifest.database else _NO_FILE)
        self._target.prepare()
        try:
            with self._open_rows(manifest) as database:
                for finding in self._copy(manifest, database):
                    self.damaged += 1
                    yield finding
            self._target.publish_database()
        except BaseException:
            self._target.discard_database()
            raise

    @contextmanager
    def _open_rows(self, manifest: BackupManifest) -> Iterator[Database]:
        """Open the rows: a copied SQLite file, or what was loaded into a server."""
        url = self._database.url
        if manifest.database is not None:
            self._target.copy_database(
                self._folder.database(manifest.rows),
                self._copier,
                size=manifest.database.size,
                sha256=manifest.database.sha256,
            )
            url = url.set(database=str(self._target.unfinished_database))
        text = url.render_as_string(hide_password=False)
        self._check_mark(manifest, text)
        database = open_database(text)
        try:
            yield database
        finally:
            database.close()

    def _check_mark(self, manifest: BackupManifest, url: str) -> None:
        """Refuse a database that does not belong to the backup, before it is migrated."""
        try:
            database = open_existing_database(url)
            try:
                mark = StoreMarker(database, FolderMark(self._folder.images)).find_mark()
            finally:
                database.close()
        except SchemaError as error:
            raise BackupError(_NOT_LOADED) from error
        if mark != manifest.store:
            raise BackupError(_NOT_LOADED)

    def _copy(self, manifest: BackupManifest, database: Database) -> Iterator[Finding]:
        source, target = self._folder.folders(manifest.rows), self._target.folders
        entries = Journal(source.journal).list_guids()
        if len(entries) < manifest.entries:
            raise BackupError(
                f"{source.journal} has {len(entries)} of {manifest.entries} entries: copy the "
                "backup again, or set `entries` in backup.json to restore the rest"
            )
        listed, images = self._folder.read_list(manifest), ImageRepository(database)
        for record in images.list_records():
            outcome = self._copy_file(record)
            if outcome is not None and record.guid not in listed:
                _delete_row(images, record.guid)
                continue
            self.images += 1
            if outcome is not None:
                yield Finding.of_image(outcome, record)
        journal = JournalCopier(source, target, self._copier)
        for guid in entries:
            self.entries += 1
            outcome = journal.copy(guid)
            if outcome in ("missing", "corrupt"):
                yield Finding.of(FindingKind(outcome), guid, f"journal/{guid}.json")
        # not from the backup: copies made by `*` lack it
        StoreMarker(database, FolderMark(target.images)).mark_store(manifest.store)
        self._copier.sync()

    def _copy_file(self, record: FileRecord) -> str | None:
        try:
            source = FileStore(self._folder.images).locate(record.filename)
            target = FileStore(self._target.folders.images).locate(record.filename)
        except ContentDamagedError:
            return "corrupt"
        outcome = self._copier.copy(source, target, size=record.size, sha256=record.sha256)
        if outcome == "corrupt":
            # it is never served, and may be all that is left
            self._copier.copy(source, target)
        return outcome


def _delete_row(images: ImageRepository, guid: str) -> None:
    """Remove the row of an image that was deleted during the backup."""
    image = images.find_image(guid)
    if image is not None and image.owner is not None:
        images.delete_image(guid, image.owner)
