"""Durable copies of files that never change, of journal entries, and of SQLite databases."""

import errno
import hashlib
import os
import secrets
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from pixy_core import BackupError, ContentDamagedError, ImageDetail, PixyProxyException
from pixy_data.content.durable_files import (
    make_folder,
    open_private,
    open_to_read,
    sync_folder,
)
from pixy_data.content.files.journal import Journal
from pixy_data.content.files.layout import STAGING
from pixy_data.content.files.store import FileStore
from pixy_data.database.errors import translate_error

_BLOCK = 1 << 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_NOT_A_FILE = frozenset({errno.ELOOP, errno.ENXIO})

_STEP = 256
"""Pages of SQLite; between two steps other threads run and signals are handled."""


class FileCopier:
    """Copies files. The copies survive a crash once `sync` has returned.

    It makes no hard links: damage to a file must not reach its copy.

    Attributes:
        files: The number of files written so far.
        bytes: Their size.
    """

    def __init__(self) -> None:
        self._folders: set[Path] = set()
        self.files = 0
        self.bytes = 0

    def copy(
        self, source: Path, target: Path, *, size: int | None = None, sha256: str | None = None
    ) -> str | None:
        """Copy a file, unless `target` has this size already.

        Args:
            source: The file.
            target: Its copy; it is written under a temporary name and then renamed.
            size: Bytes to copy from its beginning; None to copy the whole file, always.
            sha256: The hash that the copy must have, in hexadecimal; None: any.

        Returns:
            `missing` if there is no file; `corrupt` if it is too short, has another hash, is not a
            regular file or has a bad block; None if there is a copy now.

        Raises:
            BackupError: The file can't be read, or the copy can't be written.
        """
        if size is not None and _has_size(target, size):
            return None
        try:
            descriptor = open_to_read(source)
        except OSError as error:
            if error.errno in _ABSENT:
                return "missing"
            if error.errno in _NOT_A_FILE:
                return "corrupt"
            raise BackupError(f"{source} can't be read: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return "corrupt"
            count = status.st_size if size is None else size
            return self._write(descriptor, target, count, sha256)
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Write the names of all copies to the disk.

        Raises:
            BackupError: They can't be written.
        """
        for folder in sorted(self._folders):
            try:
                sync_folder(folder)
            except OSError as error:
                raise BackupError(f"{folder} can't be written: {error.strerror}") from error
        self._folders.clear()

    def _write(self, source: int, target: Path, size: int, sha256: str | None) -> str | None:
        temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            make_folder(target.parent)
            try:
                if not _copy_bytes(source, temporary, size, sha256):
                    return "corrupt"
                temporary.rename(target)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise BackupError(f"{target} can't be written: {error.strerror}") from error
        self._folders.add(target.parent)
        self.files += 1
        self.bytes += size
        return None


class ImageFolders(NamedTuple):
    """The image folder and the journal's folder of an installation or of a backup."""

    images: Path
    journal: Path


class JournalCopier:
    """Copies journal entries with their image files, which get their final names."""

    def __init__(self, source: ImageFolders, target: ImageFolders, copier: FileCopier) -> None:
        self._source = source
        self._target = target
        self._copier = copier

    def copy(self, guid: str) -> str | None:
        """Copy an entry, readable or not, and its file; repeating this is harmless.

        Returns:
            `gone` if the entry has become a row; `missing` or `corrupt` if the file differs from
            the entry; None if everything was copied.

        Raises:
            BackupError: It can't be copied.
            StorageUnavailableError: The copy can't be read.
        """
        name = f"{guid}.json"
        copied = self._copier.copy(self._source.journal / name, self._target.journal / name)
        if copied is not None:
            return "gone"
        entry = Journal(self._target.journal).find(guid)
        outcome = "corrupt" if entry is None else self._copy_file(entry.image)
        if outcome == "corrupt":
            self._copy_as_it_is(guid)
        # an unreadable entry does not say what its file should be
        return None if entry is None else outcome

    def _copy_file(self, image: ImageDetail) -> str | None:
        try:
            target = FileStore(self._target.images).locate(image.filename)
            final = FileStore(self._source.images).locate(image.filename)
        except ContentDamagedError:
            return "corrupt"
        staging = self._source.images / STAGING
        # earlier versions of PixyProxy staged under the final name
        staged = (staging / f"{name}.part" for name in (image.guid, image.filename))
        # in this order: meanwhile a file may be renamed from its staged to its final name
        for source in (*staged, final):
            outcome = self._copier.copy(source, target, size=image.size, sha256=image.sha256)
            if outcome != "missing":
                return outcome
        return "missing"

    def _copy_as_it_is(self, guid: str) -> None:
        """Copy every file of an image unchecked, for an operator to examine."""
        images = self._source.images
        for path in (*images.glob(f"{STAGING}/{guid}.*"), *images.glob(f"{guid[:2]}/{guid}.*")):
            if not path.name.endswith(".partial.png.part"):
                self._copier.copy(path, self._target.images / path.relative_to(images))


def _copy_bytes(source: int, target: Path, size: int, sha256: str | None) -> bool:
    """Copy and sync bytes. Return whether the file had enough, with this hash."""
    digest = hashlib.sha256()
    left = size
    with open(target, "xb", opener=open_private) as copy:
        while left and (block := _read(source, min(left, _BLOCK))):
            digest.update(block)
            copy.write(block)
            left -= len(block)
        copy.flush()
        os.fsync(copy.fileno())
    return left == 0 and sha256 in (None, digest.hexdigest())


def _read(descriptor: int, count: int) -> bytes:
    try:
        return os.read(descriptor, count)
    except OSError as error:
        # the disk has lost the file
        if error.errno == errno.EIO:
            return b""
        raise BackupError(f"A file can't be read: {error.strerror}") from error


def _has_size(path: Path, size: int) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror}") from error
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a consistent snapshot of a database into a new file, and sync it.

    In WAL mode, which `engine` sets, this blocks no writer. In other modes, which SQLite uses
    where memory can't be shared, the copy starts again after each write.

    Raises:
        BackupError: The copy can't be written, or the database is damaged.
        PixyProxyException: The database can't be read.
    """
    try:
        os.close(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        with closing(_open_to_read(source)) as reader, closing(sqlite3.connect(target)) as writer:
            reader.backup(writer, pages=_STEP)
            (state,) = writer.execute("PRAGMA quick_check(1)").fetchone()
        _sync_file(target)
    except sqlite3.Error as error:
        raise _translate_error(error, target) from error
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror}") from error
    if state != "ok":
        raise BackupError(f"The database {source} is damaged, see PRAGMA integrity_check")


def _open_to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
    )
    try:
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            # begin a snapshot: without it each write of another process starts the copy again
            connection.execute("BEGIN")
            connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _translate_error(error: sqlite3.Error, target: Path) -> PixyProxyException:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return BackupError(f"{target} can't be written: the disk is full")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BackupError("The database is damaged, see PRAGMA integrity_check")
    return translate_error(error, sqlite3)


def _sync_file(path: Path) -> None:
    descriptor = open_to_read(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
