"""Thumbnails on disk: a cache of small pictures beside the images, which may be deleted any time.

Each bears the stamp of the original's file, so that an original that has changed since is looked
at again. What a thumbnail looks like is decided a floor above; here it is bytes with a name.
"""

import logging
import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from pixy_data.content.durable_files import write_durably

THUMBNAIL_EXTENSIONS = {"image/webp": "webp", "image/avif": "avif"}

_logger = logging.getLogger(__name__)
_RESERVE = 256 * 1024 * 1024


class ThumbnailName(NamedTuple):
    """Which thumbnail.

    Attributes:
        guid: The image's.
        width: Pixels.
        media_type: Its format.
        version: Of the code that draws it. Thumbnails of other versions are not found.
    """

    guid: str
    width: int
    media_type: str
    version: int


class ThumbnailStore:
    """A folder of thumbnails, `<aa>/<guid>.<width>.<version>.<ext>`, where aa begins the guid.

    Args:
        directory: The folder; it is made when it is needed.
        reserve: Bytes that stay free on its file system, for images.
    """

    def __init__(self, directory: Path, *, reserve: int = _RESERVE) -> None:
        self._directory = directory.absolute()
        self._reserve = reserve

    def find(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail whose original hasn't changed since it was made.

        Args:
            name: Which one.
            stamp: From `stamp_file`, of the original's file as it is now.

        Returns:
            Its bytes; None when there is none, or the stamp is another.

        Raises:
            Nothing.
        """
        return self._read(name, stamp)

    def renew(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail of an original that was found to be unharmed, and stamp it anew.

        Args:
            name: Which one.
            stamp: From `stamp_file`, taken before the original was checked.

        Returns:
            Its bytes; None when there is none.

        Raises:
            Nothing.
        """
        content = self._read(name, None)
        if content is not None:
            self._stamp(name, stamp)
        return content

    def write(self, name: ThumbnailName, content: bytes, stamp: int) -> None:
        """Keep a thumbnail, if there is room; a cache that can't be written is only logged.

        Args:
            name: Which one.
            content: Its bytes.
            stamp: From `stamp_file`, taken before the original was read.

        Raises:
            Nothing.
        """
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

        Args:
            guid: The image's, in canonical form.

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
            descriptor = os.open(self._locate(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if stamp is not None and os.fstat(descriptor).st_mtime_ns != stamp:
                return None
            return file.read()

    def _stamp(self, name: ThumbnailName, stamp: int) -> None:
        try:
            os.utime(self._locate(name), ns=(stamp, stamp), follow_symlinks=False)
        except OSError as error:  # deleted meanwhile: it was no more than a cache
            _logger.debug("a thumbnail of image %s is gone: %s", name.guid, error.strerror)

    def _locate(self, name: ThumbnailName) -> Path:
        extension = THUMBNAIL_EXTENSIONS[name.media_type]
        filename = f"{name.guid}.{name.width}.{name.version}.{extension}"
        return self._directory / name.guid[:2] / filename


def stamp_file(path: Path) -> int | None:
    """Return what changes whenever a file does: the time of the last change of its inode.

    Args:
        path: A regular file.

    Returns:
        Nanoseconds; None when there is no such file.

    Raises:
        Nothing.
    """
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ctime_ns if stat.S_ISREG(status.st_mode) else None
