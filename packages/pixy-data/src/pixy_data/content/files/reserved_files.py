"""Files whose name, space and descriptors are reserved before their content exists.

Writing the content later needs no inode, no directory entry and no further descriptor.
"""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Self

from pixy_data.content.durable_files import make_folder, open_folder, sync_descriptor
from pixy_data.content.spooled_files import SpooledFile, allocate


class ReservedFile:
    """A new file, open for writing, with a durable name.

    As a context manager it removes the file at the end, unless `keep` was called.

    Args:
        path: Its path; its folder is created if it is missing.
        size: Bytes to reserve; the content may be longer.
        mode: Its permissions; the umask applies.

    Attributes:
        is_allocated: Whether the file system has reserved the bytes.

    Raises:
        OSError: It can't be created or synced, or the disk is full; nothing is left.
    """

    def __init__(self, path: Path, size: int, mode: int = 0o600) -> None:
        self._path = path
        self._mode = mode
        self._name = path.name
        self._is_kept = False
        make_folder(path.parent)
        self._folder = open_folder(path.parent)
        try:
            self._file = _create(self._name, self._folder, mode)
        except BaseException:
            os.close(self._folder)
            raise
        try:
            self.is_allocated = allocate(self._file, size)
            sync_descriptor(self._folder, path.parent)
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def fill(self, content: bytes | SpooledFile) -> None:
        """Write the content and sync it; repeating this is harmless.

        If the reserved file can't be written, a new one replaces it: its blocks may be bad, its
        folder removed, or its network file system may have lost it.

        Raises:
            OSError: Neither file can be written.
        """
        try:
            self._fill_reserved(content)
        except OSError:
            self._replace(content)

    def rename(self, name: str) -> None:
        """Rename the file durably within its folder; repeating this is harmless.

        Raises:
            OSError: It can't be renamed, or the name may not survive a crash.
        """
        os.rename(self._name, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._name = name
        sync_descriptor(self._folder, self._path.parent)

    def keep(self) -> None:
        """Do not remove the file at the end."""
        self._is_kept = True

    def _release(self) -> None:
        if not self._is_kept:
            # the recovery removes what can't be removed now
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder)
        os.close(self._file)
        os.close(self._folder)

    def _fill_reserved(self, content: bytes | SpooledFile) -> None:
        _overwrite(self._file, content)
        if os.fstat(self._file).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the reserved file was removed", self._name)

    def _replace(self, content: bytes | SpooledFile) -> None:
        make_folder(self._path.parent)
        folder = open_folder(self._path.parent)
        try:
            file = _write_over(self._name, folder, content, self._mode)
        except BaseException:
            os.close(folder)
            raise
        replaced = (self._file, self._folder)
        self._file, self._folder = file, folder
        for descriptor in replaced:
            os.close(descriptor)


def _write_over(name: str, folder: int, content: bytes | SpooledFile, mode: int) -> int:
    temporary = f"{name.removesuffix('.part')}.{secrets.token_hex(4)}.part"
    file = _create(temporary, folder, mode)
    try:
        _overwrite(file, content)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except BaseException:
        os.close(file)
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    return file


def _create(name: str, folder: int, mode: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    return os.open(name, flags, mode, dir_fd=folder)


def _overwrite(file: int, content: bytes | SpooledFile) -> None:
    """Write everything, even if it was written before.

    After a failed fsync the system drops the unwritten pages, and a second fsync succeeds.
    """
    position = 0
    for block in (content,) if isinstance(content, bytes) else content.read_blocks():
        written = 0
        with memoryview(block) as rest:
            while written < len(block):
                written += os.pwrite(file, rest[written:], position + written)
        position += len(block)
    os.ftruncate(file, position)
    os.fsync(file)
