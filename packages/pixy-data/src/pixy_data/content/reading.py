"""An image's file, opened for reading and checked against its row."""

import errno
import hashlib
import os
import stat
from io import FileIO
from pathlib import Path
from typing import Self

from pixy_core import ContentDamagedError, ImageDetail
from pixy_data.content.hash_memory import HashMemory

# what opening answers when the file is missing, a symbolic link, or below something else
_DAMAGED = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR})


class ContentFile:
    """An open file that is what its row says, until `is_unchanged` tells otherwise.

    It stays what it was when the image is deleted meanwhile. It is closed at the latest when
    nobody has it any more.

    Attributes:
        size: Its bytes.

    Args:
        path: Where it is.
        image: Its row, with size and sha256.
        hashes: The hashes of files that were checked before.

    Raises:
        ContentDamagedError: It is missing, no regular file, or differs from its row.
        OSError: It can't be read for another reason.
    """

    _descriptor: int | None = None

    def __init__(self, path: Path, image: ImageDetail, hashes: HashMemory) -> None:
        self._descriptor = _open_to_read(path)
        self._status = os.fstat(self._descriptor)
        self.size = self._status.st_size
        if not stat.S_ISREG(self._status.st_mode) or self.size != image.size:
            raise ContentDamagedError
        if hashes.find(self._status, self._hash) != image.sha256:
            raise ContentDamagedError

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return its descriptor, for reading at an offset.

        Raises:
            ValueError: It is closed.
        """
        if self._descriptor is None:
            raise ValueError("the file is closed")
        return self._descriptor

    def is_unchanged(self) -> bool:
        """Return whether nobody has written to it since it was opened.

        Raises:
            OSError: It can't be told.
        """
        # not by the time of change of its inode: being deleted changes that
        now, before = os.fstat(self.fileno()), self._status
        return (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return a part of it.

        Args:
            start: Its first byte.
            stop: The byte after its last; None for the end.

        Raises:
            ContentDamagedError: The file has changed meanwhile.
            OSError: It can't be read.
        """
        wanted = (self.size if stop is None else stop) - start
        content = os.pread(self.fileno(), wanted, start)
        if len(content) != wanted or not self.is_unchanged():
            raise ContentDamagedError
        return content

    def close(self) -> None:
        """Close it; again is fine."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _hash(self) -> str:
        with FileIO(self.fileno(), closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not self.is_unchanged():
            raise ContentDamagedError
        return digest


def _open_to_read(path: Path) -> int:
    try:
        # without O_NONBLOCK opening a FIFO waits for its writer
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in _DAMAGED:
            raise ContentDamagedError from error
        raise
