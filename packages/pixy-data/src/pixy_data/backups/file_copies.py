"""Durable copies of files that never change, such as images."""

import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path

from pixy_core import BackupError
from pixy_data.content.durable_files import (
    make_folder,
    open_private,
    open_to_read,
    sync_folder,
)

_BLOCK = 1 << 20
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_NOT_A_FILE = frozenset({errno.ELOOP, errno.ENXIO})


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
        """Copy a file, unless there is a copy of this size.

        Args:
            source: The file.
            target: Its copy; it is written under a temporary name and then renamed.
            size: Bytes to copy from its beginning; None: all, and even if there is a copy.
            sha256: The hash that the copy must have, in hexadecimal; None: any.

        Returns:
            `missing` or `corrupt` if there is no such file; None if there is a copy.

        Raises:
            BackupError: The file can't be read, or the copy not written.
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
