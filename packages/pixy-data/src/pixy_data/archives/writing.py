"""Writes an archive, entry by entry, and gives its file a name when it is complete."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tarfile import BLOCKSIZE, RECORDSIZE, USTAR_FORMAT, TarInfo
from typing import BinaryIO, Self

from pixy_core import ArchiveError
from pixy_data.archives.compression import open_compressed
from pixy_data.archives.records import (
    END,
    HEAD,
    MAX_LINE,
    PART,
    ArchivedImage,
    ArchivedUser,
    ArchiveEnd,
    ArchiveHead,
    Record,
    name_file,
    name_line,
    name_user,
)
from pixy_data.content.durable_files import rename_durably, sync_folder

_PARTIAL = ".partial"


class ArchiveWriter:
    """Writes one archive. Its methods raise ArchiveError when the file can't be written.

    Attributes:
        users: Number of users so far.
        images: Number of images so far.
        bytes: The size of their files.

    Args:
        file: An open file or pipe, which stays open.
        head: The first entry.
    """

    def __init__(self, file: BinaryIO, head: ArchiveHead) -> None:
        self._time = int(head.created_at.timestamp())
        self._digest = hashlib.sha256()
        self._written = 0
        self.users = self.images = self.bytes = 0
        self._file = file
        self._stream = open_compressed(file)
        self._add_line(HEAD, head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # what is not finished is never read
        with suppress(OSError, ValueError):
            self._stream.close()

    def add_user(self, user: ArchivedUser) -> None:
        """Add a user; the images that follow belong to it."""
        self.users += 1
        self._add_line(name_user(self.users), user)

    def add_image(self, image: ArchivedImage, content: bytes) -> None:
        """Add an image of the last user.

        Args:
            image: Its line.
            content: Its bytes, which agree with the line.

        Raises:
            ValueError: The line is too long; nothing is written.
        """
        if len(image.to_line()) > MAX_LINE:
            raise ValueError("the line of an image is too long")
        self._add_line(name_line(image.guid), image)
        self._add(name_file(image.filename), content)
        self.images += 1
        self.bytes += len(content)

    def finish(self) -> None:
        """Add the end."""
        end = ArchiveEnd(
            users=self.users,
            images=self.images,
            bytes=self.bytes,
            sha256=self._digest.hexdigest(),
        )
        self._add(END, end.to_line())
        # two blocks of zeros end a tar file; a record is the unit of tapes, which tar still checks
        self._write(bytes(2 * BLOCKSIZE))
        self._write(bytes(-self._written % RECORDSIZE))
        with _explained():
            self._stream.close()
            self._file.flush()

    def _add_line(self, name: str, record: Record) -> None:
        line = record.to_line()
        self._digest.update(line)
        self._add(name, line)

    def _add(self, name: str, content: bytes) -> None:
        entry = TarInfo(name)
        entry.size, entry.mtime, entry.mode = len(content), self._time, 0o600
        self._write(entry.tobuf(USTAR_FORMAT))
        self._write(content)
        self._write(bytes(-len(content) % BLOCKSIZE))

    def _write(self, content: bytes) -> None:
        self._written += len(content)
        view = memoryview(content)
        with _explained():
            for start in range(0, len(content), PART):
                self._stream.write(view[start : start + PART])


@contextmanager
def open_new_archive(path: Path) -> Iterator[BinaryIO]:
    """Write a file that gets its name at the end of the block, durably; a failure leaves nothing.

    Until then it is FILE.partial. A kill leaves that, and the next run replaces it.

    Raises:
        ArchiveError: There is a file of that name, or it can't be written.
    """
    if not path.name:
        raise ArchiveError(f"{path} is not the name of a file")
    partial = path.with_name(f"{path.name}{_PARTIAL}")
    with _explained():
        _refuse(path)
        file = _open_partial(partial)
    try:
        yield file
        with _explained():
            file.flush()
            os.fsync(file.fileno())
            _refuse(path)
            rename_durably(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        # it writes what is left, which fails again if the disk is full
        with suppress(OSError):
            file.close()
        raise
    file.close()


def _refuse(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ArchiveError(f"{path} exists, and is not replaced: name another file")


def _open_partial(path: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.fdopen(os.open(path, flags, 0o600), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # another process may have completed or replaced it before it was locked
        is_same = os.path.samestat(os.fstat(file.fileno()), path.stat())
        if not is_same:
            raise BlockingIOError
        file.truncate()
        sync_folder(path.parent)
    except BlockingIOError as error:
        file.close()
        raise ArchiveError(f"Another process writes {path}") from error
    except BaseException:
        file.close()
        raise
    return file


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise ArchiveError(f"The archive can't be written: {where}{error.strerror}") from error
