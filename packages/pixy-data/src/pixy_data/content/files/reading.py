"""Open image files: checked against their rows when opened, then read."""

import errno
import hashlib
import os
import stat
from io import FileIO
from pathlib import Path

from pixy_core import ContentDamagedError, ImageDetail
from pixy_data.content.durable_files import open_to_read
from pixy_data.content.hash_cache import HashCache
from pixy_data.content.parts import ContentFile
from pixy_data.images import FileRecord

# errors of opening a file that is missing, a symbolic link, or not a file
_DAMAGED = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR})


class DiskFile(ContentFile):
    """An open image file that agrees with its row, until `is_unchanged` says otherwise.

    It can still be read when the image is deleted. Garbage collection closes it, if nothing else
    has.

    Attributes:
        size: Its bytes.
        part_size: Bytes that a thread reads at once, and that a slow client keeps in memory.

    Args:
        path: Its path.
        image: Its row, with size and sha256.
        hashes: The hashes of files that were read before.

    Raises:
        ContentDamagedError: It is missing, not a regular file, or differs from its row.
        OSError: It can't be read for another reason.
    """

    part_size = 512 * 1024
    _descriptor: int | None = None

    def __init__(self, path: Path, image: ImageDetail | FileRecord, hashes: HashCache) -> None:
        self._descriptor = _open(path)
        self._status = os.fstat(self._descriptor)
        self.size = self._status.st_size
        if not stat.S_ISREG(self._status.st_mode) or self.size != image.size:
            raise ContentDamagedError
        if hashes.get(_identify(self._status), self._hash) != image.sha256:
            raise ContentDamagedError

    def __del__(self) -> None:
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
        """Return whether it has not been written to since it was opened.

        Raises:
            OSError: It can't be examined.
        """
        # the time of the inode's change does not count: deleting the file changes it
        now, before = os.fstat(self.fileno()), self._status
        return (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes from `start` to before `stop`; None: to the end.

        Raises:
            ContentDamagedError: The file has changed since it was opened.
            OSError: It can't be read.
        """
        wanted = (self.size if stop is None else stop) - start
        content = os.pread(self.fileno(), wanted, start)
        if len(content) != wanted or not self.is_unchanged():
            raise ContentDamagedError
        return content

    def close(self) -> None:
        """Close it; repeating this is harmless."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _hash(self) -> str:
        with FileIO(self.fileno(), closefd=False) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not self.is_unchanged():
            raise ContentDamagedError
        return digest


def _identify(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        # utime(2) can set the time of the content's change, but not of the inode's
        status.st_ctime_ns,
    )


def _open(path: Path) -> int:
    try:
        return open_to_read(path)
    except OSError as error:
        if error.errno in _DAMAGED:
            raise ContentDamagedError from error
        raise
