"""Partial images on disk: the latest of what is being made, each worth nothing once it is made.

They lie among what is not finished, under names like its own, so that whatever cleans up after a
crash takes them along; nothing there can be mistaken for an image. None is ever synced.
"""

import logging
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pixy_data.content.durable_files import make_folder

_logger = logging.getLogger(__name__)
_RESERVE = 256 * 1024 * 1024
_MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")


@dataclass(frozen=True)
class PartialImage:
    """An unfinished picture: its bytes, and what they are."""

    content: bytes = field(repr=False)
    media_type: str


class PartialImageStore:
    """Files that are named `<guid>.partial.<type>.part`, one for each image in the making.

    Args:
        directory: The folder of what is not finished; it is made when it is needed.
        reserve: Bytes that stay free on its file system, for images.
    """

    def __init__(self, directory: Path, *, reserve: int = _RESERVE) -> None:
        self._directory = directory
        self._reserve = reserve

    def write(self, guid: str, picture: PartialImage) -> None:
        """Put a picture in the place of the one before, if there is room.

        A reader has the one or the other, whole. What can't be written is only logged.

        Args:
            guid: Of the image in the making, in canonical form.
            picture: A PNG, JPEG or WebP.

        Raises:
            Nothing.
        """
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
        """Return the latest picture.

        Args:
            guid: Of the image in the making, in canonical form.

        Returns:
            It; None when there is none, or it can't be read.

        Raises:
            Nothing.
        """
        for media_type in _MEDIA_TYPES:
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                descriptor = os.open(self._locate(guid, media_type), flags)
                with os.fdopen(descriptor, "rb") as file:
                    return PartialImage(file.read(), media_type)
            except OSError:
                continue
        return None

    def has(self, guid: str) -> bool:
        """Tell whether there is one.

        Args:
            guid: Of the image in the making, in canonical form.

        Raises:
            Nothing.
        """
        return any(os.path.lexists(path) for path in self._list(guid))

    def delete(self, guid: str) -> None:
        """Remove what is there; what can't be removed is left to the recovery, and logged.

        Args:
            guid: Of an image that is made, or will never be; in canonical form.

        Raises:
            Nothing.
        """
        try:
            for path in self._list(guid):
                path.unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("a partial image of %s can't be removed: %s", guid, error.strerror)

    def _list(self, guid: str) -> list[Path]:
        return [self._locate(guid, media_type) for media_type in _MEDIA_TYPES]

    def _locate(self, guid: str, media_type: str) -> Path:
        return self._directory / f"{guid}.partial.{media_type.removeprefix('image/')}.part"


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
