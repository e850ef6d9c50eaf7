"""The quarantine: responses of the provider that did not become an image, and files without a row.

They are for an operator; nothing reads them again.
"""

import errno
import secrets
import shutil
from pathlib import Path

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import DISK_RESERVE, write_durably
from pixy_data.content.entries import AnswerNote

_MAX_BYTES = 96 * 1024 * 1024
"""Of one response: more than an image of 64 MiB has in base64."""


class Quarantine:
    """A folder of responses, `<guid>.answer`, their notes, `<guid>.json`, and files set aside.

    Args:
        directory: The folder; it is created at the first use. Its parent exists.
        reserve: Bytes that stay free on its file system, for images.
    """

    def __init__(self, directory: Path, *, reserve: int = DISK_RESERVE) -> None:
        self._directory = directory
        self._reserve = reserve

    def keep(self, note: AnswerNote, answer: bytes | bytearray) -> Path:
        """Write a response durably, cut off at 96 MiB, and return its path.

        Raises:
            StorageUnavailableError: The disk has no space beyond the reserve, or can't be written.
        """
        path = self._directory / f"{note.guid}.answer"
        kept = answer if len(answer) <= _MAX_BYTES else answer[:_MAX_BYTES]
        try:
            if shutil.disk_usage(self._directory.parent).free - len(kept) < self._reserve:
                raise StorageUnavailableError
            write_durably(path, kept)
            write_durably(path.with_suffix(".json"), note.model_dump_json(indent=2).encode())
        except OSError as error:
            raise StorageUnavailableError from error
        return path

    def set_aside(self, path: Path) -> Path:
        """Move a file durably to the folder, without replacing a file there.

        Returns:
            The file's new path.

        Raises:
            StorageUnavailableError: It can't be moved, and is still there.
        """
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            target = self._directory / path.name
            if target.exists():
                target = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
            try:
                path.rename(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                write_durably(target, path.read_bytes())
                path.unlink()
        except OSError as error:
            raise StorageUnavailableError from error
        return target
