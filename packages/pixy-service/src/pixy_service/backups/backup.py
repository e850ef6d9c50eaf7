"""Backs up the database, the journal and the files while servers run.

The order makes each image safe. The journal is copied first, each entry with its file. Then the
database: an image whose entry was gone in the first step has its row by now. Then the files of the
copied rows, which never change. The manifest is written last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pixy_core import BackupError, ContentDamagedError
from pixy_data import (
    BackupFolder,
    BackupManifest,
    Database,
    FileCopier,
    FileInventory,
    FileRecord,
    FileStore,
    FolderMark,
    ImageFolders,
    ImageRepository,
    Journal,
    JournalCopier,
    StoreMarker,
    copy_sqlite,
    find_revision,
    open_existing_database,
)
from pixy_service.checking import Finding, FindingKind

_NO_ROWS = (
    "The database holds no image at all, and the backup does: nothing is removed from it. If all "
    "images were deleted, use another folder"
)

_ANOTHER = (
    "is the backup of another installation, or from before `pixy check --accept-store`: use "
    "another folder"
)


@dataclass
class _Progress:
    """The progress of one run."""

    rows: str
    entries: set[str] = field(default_factory=set)
    images: int = 0


class StoreBackup:
    """Copies one installation into one folder; existing copies of files are not copied again.

    Args:
        database: The installation's; it is only read.
        folders: Its image files and its journal.
        folder: The folder of the backup.

    Attributes:
        images: Number of rows in the backup.
        entries: Number of journal entries in the backup.
        removed: Number of files of deleted images that were removed from it.
        copier: Counts what was copied.
        damaged: Number of images whose files could not be copied.
    """

    def __init__(self, database: Database, folders: ImageFolders, folder: BackupFolder) -> None:
        self._database = database
        self._folder = folder
        self._folders = folders
        self._content = FileStore(folders.images)
        self._copies = FileStore(folder.images)
        self._journal = Journal(folders.journal)
        self._live = ImageRepository(database)
        self._marker = StoreMarker(database, FolderMark(folders.images))
        self.images = self.entries = self.removed = self.damaged = 0
        self.copier = FileCopier()

    def run(self) -> Iterator[Finding]:
        """Make the backup, and yield each image whose file could not be copied.

        Raises:
            StoreMismatchError: The image folder and the database do not belong together.
            BackupError: The backup can't be made; the previous one is unchanged.
            PixyProxyException: The database or the disk failed; the previous backup is unchanged.
        """
        mark = self._marker.get_mark()
        with self._folder.lock():
            previous = self._folder.find_manifest()
            if previous is not None and previous.store != mark:
                raise BackupError(f"{self._folder.directory} {_ANOTHER}")
            progress = _Progress(self._folder.begin())
            yield from self._count(self._copy_journal(progress, previous))
            created_at = datetime.now(UTC)
            with self._open_rows(progress.rows) as rows:
                yield from self._count(self._copy_files(rows, progress))
                unwanted = self._find_unwanted(rows, progress)
            self._finish(progress, mark, created_at)
            self._folder.remove(unwanted, keep=progress.rows)
            self.removed = len(unwanted)

    def _count(self, findings: Iterator[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self.damaged += 1
            yield finding

    def _copy_journal(
        self, progress: _Progress, previous: BackupManifest | None
    ) -> Iterator[Finding]:
        copier = JournalCopier(self._folders, self._folder.folders(progress.rows), self.copier)
        for guid in self._journal.list_guids():
            outcome = copier.copy(guid)
            if outcome != "gone":
                progress.entries.add(guid)
            if outcome in ("missing", "corrupt") and self._journal.has(guid):
                yield Finding.of(FindingKind(outcome), guid, f"journal/{guid}.json")
        if previous is not None and previous.database is None:
            self._keep_entries(progress, self._folder.folders(previous.rows).journal)

    def _keep_entries(self, progress: _Progress, journal: Path) -> None:
        """Keep the entries of the previous run: the dump in between may lack their rows."""
        target = self._folder.folders(progress.rows).journal
        for guid in set(Journal(journal).list_guids()) - progress.entries:
            name = f"{guid}.json"
            if self._live.find_records([guid]):
                self.copier.copy(journal / name, target / name)
                progress.entries.add(guid)

    @contextmanager
    def _open_rows(self, rows: str) -> Iterator[ImageRepository]:
        """Open the rows of the backup: a SQLite copy, or the server whose dump it is."""
        if not self._database.sqlite:
            yield self._live
            return
        target = self._folder.database(rows)
        copy_sqlite(Path(self._database.url.database or ""), target)
        url = self._database.url.set(database=str(target))
        copy = open_existing_database(url.render_as_string(hide_password=False))
        try:
            yield ImageRepository(copy)
        finally:
            copy.close()

    def _copy_files(self, rows: ImageRepository, progress: _Progress) -> Iterator[Finding]:
        with self._folder.open_list(progress.rows) as guids:
            for record in rows.list_records():
                outcome = self._copy_file(record)
                # a delete removes the row before the file
                if outcome is not None and not self._live.find_records([record.guid]):
                    continue
                progress.images += 1
                guids.write(f"{record.guid}\n")
                if outcome is not None:
                    yield Finding.of_image(outcome, record)

    def _copy_file(self, record: FileRecord) -> str | None:
        try:
            source = self._content.locate(record.filename)
            target = self._copies.locate(record.filename)
        except ContentDamagedError:
            return "corrupt"
        return self.copier.copy(source, target, size=record.size, sha256=record.sha256)

    def _find_unwanted(self, rows: ImageRepository, progress: _Progress) -> list[Path]:
        """Return the files of deleted images, and remove entries of such images."""
        copied = self._folder.folders(progress.rows)
        for guid in list(progress.entries):
            # an entry is removed when its row is committed, and a row only by a delete
            if not self._journal.has(guid) and not self._live.find_records([guid]):
                progress.entries.discard(guid)
                Journal(copied.journal).remove(guid)
        found = FileInventory(*copied)
        if not rows.has_images() and any(found.list_files()) and not progress.entries:
            raise BackupError(_NO_ROWS)
        unwanted = list(found.list_unfinished())
        for part in found.list_files():
            records = rows.find_records([file.guid for file in part])
            known = {record.filename for record in records.values()}
            unwanted += [file for file in part if file.name not in known]
        return [found.locate(file) for file in unwanted if file.guid not in progress.entries]

    def _finish(self, progress: _Progress, mark: str, created_at: datetime) -> None:
        is_file = self._database.sqlite
        # not counted: it is copied each time
        marker = FileCopier()
        marker.copy(self._folders.images / ".store", self._folder.images / ".store")
        marker.sync()
        self.copier.sync()
        self.images, self.entries = progress.images, len(progress.entries)
        self._folder.commit(
            BackupManifest(
                created_at=created_at,
                store=mark,
                schema_revision=find_revision(self._database) or "",
                rows=progress.rows,
                database=self._folder.describe_database(progress.rows) if is_file else None,
                images=self.images,
                entries=self.entries,
            )
        )
