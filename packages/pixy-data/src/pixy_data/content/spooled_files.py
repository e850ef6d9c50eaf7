"""Spooled files: uploads on their way to the disk, before anybody knows whether they are images.

A spooled file has no name, so nothing is left of it when it is closed or its process is killed.
"""

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pixy_core import FileTooLargeError, StorageUnavailableError

BLOCK = 1 << 20

# glibc emulates posix_fallocate where possible; these errors mean that it is impossible
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV})
# O_TMPFILE is refused with EISDIR by old kernels
_NEEDS_NAME = _UNSUPPORTED | {errno.EISDIR}


class SpooledFile:
    """A file without a name that is written once from its start, and then read.

    Args:
        folder: The folder on whose file system it is.
        size: Bytes to reserve; 0 if nobody knows how many will come.
        limit: Bytes that it may have.

    Attributes:
        is_allocated: Whether the file system has reserved the bytes.
        size: Bytes written so far.

    Raises:
        OSError: It can't be created, or the disk is full; nothing is left.
    """

    def __init__(self, folder: Path, size: int, limit: int) -> None:
        self._descriptor: int | None = None
        self._limit = limit
        self._digest = hashlib.sha256()
        self._release: Callable[[], object] = lambda: None
        self.size = 0
        self._descriptor = _open_nameless(folder)
        try:
            self.is_allocated = allocate(self._descriptor, size) and size > 0
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal."""
        return self._digest.hexdigest()

    def fileno(self) -> int:
        """Return its descriptor.

        Raises:
            ValueError: It is closed.
        """
        if self._descriptor is None:
            raise ValueError("the file is closed")
        return self._descriptor

    def release_with(self, release: Callable[[], object]) -> None:
        """Call a function when the file is closed."""
        self._release = release

    def write(self, block: bytes | bytearray | memoryview) -> None:
        """Append a block.

        Raises:
            FileTooLargeError: The file would have more bytes than it may; nothing is written.
            StorageUnavailableError: It can't be written.
        """
        if self.size + len(block) > self._limit:
            raise FileTooLargeError
        written = 0
        with memoryview(block) as rest:
            while written < len(block):
                try:
                    written += os.pwrite(self.fileno(), rest[written:], self.size + written)
                except OSError as error:
                    raise StorageUnavailableError from error
        self._digest.update(block)
        self.size += len(block)

    def read(self) -> bytes:
        """Return everything that was written.

        Raises:
            StorageUnavailableError: It can't be read.
        """
        try:
            return b"".join(self.read_blocks())
        except OSError as error:
            raise StorageUnavailableError from error

    def read_blocks(self) -> Iterator[bytes]:
        """Yield everything that was written, in blocks.

        Raises:
            OSError: It can't be read.
        """
        position = 0
        while position < self.size:
            block = os.pread(self.fileno(), min(BLOCK, self.size - position), position)
            if not block:
                raise OSError(errno.EIO, "the spooled file is shorter than what was written")
            yield block
            position += len(block)

    def close(self) -> None:
        """Remove it; repeating this is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
            self._release()


def allocate(file: int, size: int) -> bool:
    """Reserve bytes on a file system; return False if it can't do that.

    Raises:
        OSError: The disk is full.
    """
    # absent on macOS
    function = getattr(os, "posix_fallocate", None)
    if function is None or size == 0:
        return size == 0
    try:
        function(file, 0, size)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def _open_nameless(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC
    # absent on macOS
    nameless = getattr(os, "O_TMPFILE", None)
    if nameless is not None:
        try:
            return os.open(folder, flags | nameless, 0o600)
        except OSError as error:
            if error.errno not in _NEEDS_NAME:
                raise
    # NFS, for one: a kill between the two calls leaves an unfinished file, which recovery removes
    path = folder / f"{uuid.uuid4()}.spool.part"
    descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        path.unlink()
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
