"""Copies of journal entries, each with the bytes of its image, which may still be staged."""

from pathlib import Path
from typing import NamedTuple

from pixy_core import ContentDamagedError, ImageDetail
from pixy_data.backups.file_copies import FileCopier
from pixy_data.content.journal import Journal
from pixy_data.content.staging import FOLDER as STAGING
from pixy_data.content.store import ContentStore


class ImageFolders(NamedTuple):
    """The folders of one installation, or of a backup.

    Attributes:
        images: The image files.
        journal: What is to become a row.
    """

    images: Path
    journal: Path


class JournalCopier:
    """Copies entries, whose files are staged only where an entry can't be read.

    Args:
        source: From here.
        target: To here.
        copier: Writes them.
    """

    def __init__(self, source: ImageFolders, target: ImageFolders, copier: FileCopier) -> None:
        self._source = source
        self._target = target
        self._copier = copier

    def copy(self, guid: str) -> str | None:
        """Copy an entry and the file that it names; twice is harmless.

        Args:
            guid: Of an entry, legible or not.

        Returns:
            `gone` when there is no entry any more, as it has become a row; `missing` or
            `corrupt` when the file is not what the entry says; None when all was copied.

        Raises:
            BackupError: It can't be copied.
            StorageUnavailableError: The copy can't be read.
        """
        name = f"{guid}.json"
        copied = self._copier.copy(self._source.journal / name, self._target.journal / name)
        if copied is not None:
            return "gone"
        entry = Journal(self._target.journal).find(guid)
        outcome = "corrupt" if entry is None else self._copy_file(entry.image)
        if outcome == "corrupt":
            self._copy_as_it_is(guid)
        # what an entry that can't be read has lost is not known
        return None if entry is None else outcome

    def _copy_file(self, image: ImageDetail) -> str | None:
        try:
            target = ContentStore(self._target.images).locate(image.filename)
            final = ContentStore(self._source.images).locate(image.filename)
        except ContentDamagedError:
            return "corrupt"
        staging = self._source.images / STAGING
        # earlier versions of PixyProxy staged under the final name
        staged = (staging / f"{name}.part" for name in (image.guid, image.filename))
        # in this order: a file is renamed from a staged name to its final one
        for source in (*staged, final):
            outcome = self._copier.copy(source, target, size=image.size, sha256=image.sha256)
            if outcome != "missing":
                return outcome
        return "missing"

    def _copy_as_it_is(self, guid: str) -> None:
        """Copy every file of an image, for a person to look at."""
        images = self._source.images
        for path in (*images.glob(f"{STAGING}/{guid}.*"), *images.glob(f"{guid[:2]}/{guid}.*")):
            if not path.name.endswith(".partial.png.part"):
                self._copier.copy(path, self._target.images / path.relative_to(images))
