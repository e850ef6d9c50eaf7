"""The quarantine: provider responses that may have been paid for and hold no image.

They are for an operator; nothing reads them again. `FoundFiles.set_aside` moves files to the same
folder.
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import DISK_RESERVE, write_durably

QUARANTINE = "quarantine"
"""The name of the folder in the data folder."""

_MAX_BYTES = 96 * 1024 * 1024
"""Of one response: more than an image of 64 MiB has in base64."""


class AnswerNote(BaseModel):
    """What an operator needs to know to ask the provider about a response.

    Attributes:
        version: Of this format.
        guid: The creation's.
        owner: The owner of the creation.
        prompt: The requested prompt; likewise `size` and `quality`.
        created_at: Time of the request.
        code: The code of the owner's error.
        billed: Whether the provider charged for it, by the owner's error.
        upstream_request_id: The provider's own id of the request, if it named one.
        answer_size: Bytes of the whole response.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    guid: str
    owner: str
    prompt: str
    size: str
    quality: str
    created_at: datetime
    code: str
    billed: str
    upstream_request_id: str | None
    answer_size: int


class Quarantine:
    """A folder of responses, `<guid>.answer`, and a note about each, `<guid>.json`.

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
