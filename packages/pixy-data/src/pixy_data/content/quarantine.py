"""Answers of the provider that may have been paid for and hold no image, kept for an operator.

Nothing reads them again. `FoundFiles.set_aside` moves files into the same folder.
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import write_durably

FOLDER = "quarantine"
"""Its name in the data folder."""

_MOST_BYTES = 96 * 1024 * 1024
"""Of one answer: more than an image of 64 MiB has in base64."""

_RESERVE = 256 * 1024 * 1024


class AnswerNote(BaseModel):
    """What an operator needs to know of an answer, and to ask the provider about it.

    Attributes:
        version: Of this form.
        guid: The creation's.
        owner: Who asked for it.
        prompt: As it was asked for, like `size` and `quality`.
        created_at: When it was asked for.
        code: Of the error that the owner was told.
        billed: Whether the provider charged for it, as that error said.
        upstream_request_id: The provider's own id of its request, where it named one.
        answer_size: Bytes of the whole answer.
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
    """A folder of answers, `<guid>.answer`, and of what is known of each, `<guid>.json`.

    Args:
        directory: The folder, made at the first use in one that exists.
        reserve: Bytes that stay free on its file system, for images.
    """

    def __init__(self, directory: Path, *, reserve: int = _RESERVE) -> None:
        self._directory = directory
        self._reserve = reserve

    def keep(self, note: AnswerNote, answer: bytes | bytearray) -> Path:
        """Write an answer durably, for this process's user alone.

        Args:
            note: What is known of it.
            answer: All of it; what is beyond 96 MiB is not kept.

        Returns:
            Where its bytes are.

        Raises:
            StorageUnavailableError: There is no room above the reserve, or it can't be written.
        """
        path = self._directory / f"{note.guid}.answer"
        kept = answer if len(answer) <= _MOST_BYTES else answer[:_MOST_BYTES]
        try:
            if shutil.disk_usage(self._directory.parent).free - len(kept) < self._reserve:
                raise StorageUnavailableError
            write_durably(path, kept)
            write_durably(path.with_suffix(".json"), note.model_dump_json(indent=2).encode())
        except OSError as error:
            raise StorageUnavailableError from error
        return path
