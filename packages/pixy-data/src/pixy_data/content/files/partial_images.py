"""Partial images on disk: the latest preview of each image that is being made.

They are named like unfinished files and are in the same folder, so that the recovery removes
them. They are never synced.
"""

import logging
import os
import secrets
import shutil
from pathlib import Path

from pixy_core.images import IMAGE_EXTENSIONS
from pixy_data.content.durable_files import (
    DISK_RESERVE,
    make_folder,
    open_private,
    open_to_read,
)
from pixy_data.content.interface import PartialImageStore
from pixy_data.content.parts import PartialImage

_logger = logging.getLogger(__name__)


class PartialImageFiles(PartialImageStore):
    """Files named `<guid>.partial.<type>.part`, one for each image that is being made.

    Args:
        directory: The folder of unfinished files; it is created at the first write.
        reserve: Bytes that stay free on its file system, for images.
    """

    def __init__(self, directory: Path, *, reserve: int = DISK_RESERVE) -> None:
        self._directory = directory
        self._reserve = reserve

    def write(self, guid: str, picture: PartialImage) -> None:
        """Replace an image's preview atomically, if the disk has space. An error is only logged."""
        path = self._locate(guid, picture.media_type)
        try:
            make_folder(self._directory)
            if shutil.disk_usage(self._directory).free >= self._reserve:
                _replace(path, picture.content)
                for other in self._list(guid):
                    if other != path:
                        other.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("a partial image of %s can't be kept: %s", guid, error.strerror)

    def find(self, guid: str) -> PartialImage | None:
        """Return an image's preview; None if there is none or it can't be read."""
        for media_type in IMAGE_EXTENSIONS:
            try:
                with os.fdopen(open_to_read(self._locate(guid, media_type)), "rb") as file:
                    return PartialImage(file.read(), media_type)
            except OSError:
                continue
        return None

    def has(self, guid: str) -> bool:
        """Return whether an image has a preview."""
        return any(os.path.lexists(path) for path in self._list(guid))

    def delete(self, guid: str) -> None:
        """Remove an image's preview. An error is logged; the recovery tries again."""
        try:
            for path in self._list(guid):
                path.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("a partial image of %s can't be removed: %s", guid, error.strerror)

    def _list(self, guid: str) -> list[Path]:
        return [self._locate(guid, media_type) for media_type in IMAGE_EXTENSIONS]

    def _locate(self, guid: str, media_type: str) -> Path:
        return self._directory / f"{guid}.partial.{media_type.removeprefix('image/')}.part"


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb", opener=open_private) as file:
            file.write(content)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
