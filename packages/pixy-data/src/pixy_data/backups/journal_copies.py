"""Copies of journal entries, each with its image file, which may still be staged."""

from pathlib import Path
from typing import NamedTuple

from pixy_core import ContentDamagedError, ImageDetail
from pixy_data.backups.file_copies import FileCopier
from pixy_data.content.journal import Journal
from pixy_data.content.layout import STAGING
from pixy_data.content.store import ContentStore


class ImageFolders(NamedTuple):
    """The image folder and the journal's folder of an installation or of a backup."""

    images: Path
    journal: Path


class JournalCopier:
    """Copies journal entries with their image files, which get their final names."""

    def __init__(self, source: ImageFolders, target: ImageFolders, copier: FileCopier) -> None:
        self._source = source
        self._target = target
        self._copier = copier

    def copy(self, guid: str) -> str | None:
        """Copy an entry, readable or not, and its file; repeating this is harmless.

        Returns:
            `gone` if the entry has become a row; `missing` or `corrupt` if the file differs from
            the entry; None if everything was copied.

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
        # an unreadable entry does not say what its file should be
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
        # in this order: meanwhile a file may be renamed from its staged to its final name
        for source in (*staged, final):
            outcome = self._copier.copy(source, target, size=image.size, sha256=image.sha256)
            if outcome != "missing":
                return outcome
        return "missing"

    def _copy_as_it_is(self, guid: str) -> None:
        """Copy every file of an image unchecked, for an operator to examine."""
        images = self._source.images
        for path in (*images.glob(f"{STAGING}/{guid}.*"), *images.glob(f"{guid[:2]}/{guid}.*")):
            if not path.name.endswith(".partial.png.part"):
                self._copier.copy(path, self._target.images / path.relative_to(images))
