"""Thumbnails on disk: a cache that may be deleted at any time.

The modification time of a thumbnail is the stamp of its original, so a changed original is
detected.
"""

import logging
import os
import shutil
import stat
from pathlib import Path

from pixy_core.images import THUMBNAIL_EXTENSIONS
from pixy_data.content.durable_files import DISK_RESERVE, open_to_read, write_durably
from pixy_data.content.files.layout import locate
from pixy_data.content.interface import ThumbnailStore
from pixy_data.content.parts import ThumbnailName

_logger = logging.getLogger(__name__)


class ThumbnailFiles(ThumbnailStore):
    """A folder of thumbnails, `<aa>/<guid>.<width>.<version>.<extension>`.

    Args:
        directory: The folder; it is created at the first write.
        reserve: Bytes that stay free on its file system, for images.
    """

    def __init__(self, directory: Path, *, reserve: int = DISK_RESERVE) -> None:
        self._directory = directory.absolute()
        self._reserve = reserve

    def find(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail if its original has not changed; None if there is none."""
        return self._read(name, stamp)

    def renew(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail of an original that proved to be undamaged, and update its stamp."""
        content = self._read(name, None)
        if content is not None:
            self._stamp(name, stamp)
        return content

    def write(self, name: ThumbnailName, content: bytes, stamp: int) -> None:
        """Write a thumbnail, if the disk has space. An error is only logged."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if shutil.disk_usage(self._directory).free >= self._reserve:
                write_durably(self._locate(name), content)
                self._stamp(name, stamp)
                self._delete_other_versions(name)
        except OSError as error:
            _logger.warning("a thumbnail of image %s can't be kept: %s", name.guid, error.strerror)

    def delete(self, guid: str) -> None:
        """Remove every thumbnail of an image.

        Raises:
            OSError: One can't be removed.
        """
        for path in (self._directory / guid[:2]).glob(f"{guid}.*"):
            path.unlink(missing_ok=True)

    def _delete_other_versions(self, name: ThumbnailName) -> None:
        current = self._locate(name)
        for path in current.parent.glob(f"{name.guid}.{name.width}.*"):
            if path.suffix == current.suffix and path != current:
                path.unlink(missing_ok=True)

    def _read(self, name: ThumbnailName, stamp: int | None) -> bytes | None:
        try:
            descriptor = open_to_read(self._locate(name))
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if stamp is not None and os.fstat(descriptor).st_mtime_ns != stamp:
                return None
            return file.read()

    def _stamp(self, name: ThumbnailName, stamp: int) -> None:
        try:
            os.utime(self._locate(name), ns=(stamp, stamp), follow_symlinks=False)
        except OSError as error:  # deleted in the meantime
            _logger.debug("a thumbnail of image %s is gone: %s", name.guid, error.strerror)

    def _locate(self, name: ThumbnailName) -> Path:
        extension = THUMBNAIL_EXTENSIONS[name.media_type]
        return locate(self._directory, f"{name.guid}.{name.width}.{name.version}.{extension}")


def stamp_file(path: Path) -> int | None:
    """Return a number that changes whenever a file does; None if there is no such file.

    It is the time of the inode's last change, in nanoseconds.
    """
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ctime_ns if stat.S_ISREG(status.st_mode) else None
