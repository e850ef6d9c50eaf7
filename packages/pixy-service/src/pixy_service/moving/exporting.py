"""Writes images, their rows and their owners to an archive, while services run.

Each user comes before its own images, oldest first. What was stored before the export began is in
the archive; what is made meanwhile may be.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pixy_core import ConfigurationError, DetailedImage, SearchWords, User
from pixy_data import (
    ArchivedImage,
    ArchivedUser,
    ArchiveHead,
    ArchiveWriter,
    FileRecord,
    find_revision,
    open_new_archive,
)
from pixy_service.checking import Finding, FindingKind, read_image
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from pixy_service.validation import validate_class_key, validate_filter, validate_username


@dataclass(frozen=True)
class Selection:
    """Which images are exported: those that match all that is given.

    Attributes:
        classes: The classes of their owners; empty: all.
        users: Their owners; empty: all.
        query: Words of their prompts, as in a search; None: any.
    """

    classes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    query: str | None = None


EVERYTHING = Selection()


class StoreExport:
    """Writes one archive. One image is in memory at a time, at most twice.

    Args:
        stores: Rows and bytes.
        recovery: Turns journal entries into images; it is not running.
        selection: What is exported.
        target: The archive: a path where nothing is, or an open pipe.
        on_progress: Called after each image that was looked at.

    Attributes:
        looked_at: Number of images so far, in the archive or not.
        users: Number of users in the archive so far.
        images: Number of images in the archive so far.
        bytes: The size of their files.
        left_out: Number of images that are missing, damaged, waiting or invalid.
        outside: Number of sources of these images that exist and are not in the archive.
    """

    def __init__(
        self,
        stores: ImageStores,
        recovery: Recovery,
        selection: Selection,
        target: Path | BinaryIO,
        *,
        on_progress: Callable[["StoreExport"], None] = lambda _: None,
    ) -> None:
        self._stores = stores
        self._recovery = recovery
        self._selection = selection
        self._target = target
        self._on_progress = on_progress
        self._words = _read_words(selection.query)
        self._owners: dict[str, User] = {}
        self.looked_at = self.users = self.images = self.bytes = 0
        self.left_out = self.outside = 0

    def run(self) -> Iterator[Finding]:
        """Write everything, and yield each image and user that is left out.

        Raises:
            ConfigurationError: There is no such user or class.
            ArchiveError: The archive can't be written, or its name is taken; nothing is left of it.
            PixyProxyException: The database or the store failed; likewise.
        """
        self._stores.content.confirm()
        self._owners = {user.username: user for user in self._choose_users()}
        with self._open_target() as file:
            stuck = self._recovery.adopt_all()
            for finding in self._write(file, stuck):
                # there is one finding for a user, without a guid
                self.left_out += bool(finding.guid)
                yield finding

    def _open_target(self) -> AbstractContextManager[BinaryIO]:
        if isinstance(self._target, Path):
            return open_new_archive(self._target)
        return nullcontext(self._target)

    def _choose_users(self) -> list[User]:
        users = self._stores.users.list_users()
        names = {validate_username(name) for name in self._selection.users}
        classes = {validate_class_key(key) for key in self._selection.classes}
        unknown = names - {user.username for user in users}
        unknown_classes = classes - {user.class_key for user in users}
        if unknown or unknown_classes:
            kind = "user" if unknown else "class"
            raise ConfigurationError(f"There is no {kind} {min(unknown or unknown_classes)}")
        return [
            user
            for user in users
            if (not names or user.username in names) and (not classes or user.class_key in classes)
        ]

    def _write(self, file: BinaryIO, stuck: list[str]) -> Iterator[Finding]:
        revision = find_revision(self._stores.database) or ""
        head = ArchiveHead(
            created_at=datetime.now(UTC),
            schema_revision=revision,
            classes=self._selection.classes,
            users=self._selection.users,
            query=self._selection.query,
        )
        with ArchiveWriter(file, head) as writer:
            for user in self._owners.values():
                yield from self._write_user(writer, user)
            for guid in stuck:
                yield Finding.of(FindingKind.WAITING, guid, f"journal/{guid}.json")
            writer.finish()
            self.users, self.images, self.bytes = writer.users, writer.images, writer.bytes

    def _write_user(self, writer: ArchiveWriter, user: User) -> Iterator[Finding]:
        try:
            line = ArchivedUser(**user.model_dump(exclude={"password"}))
        except ValueError:
            yield from self._leave_out(user)
            return
        # who has nothing that was searched for is nobody's business
        is_written = self._words is None
        if is_written:
            writer.add_user(line)
        for image in self._stores.images.list_owned(user.username):
            if self._is_wanted(image):
                if not is_written:
                    writer.add_user(line)
                    is_written = True
                yield from self._write_image(writer, image)
            self.looked_at += 1
            self.images, self.bytes = writer.images, writer.bytes
            self._on_progress(self)

    def _leave_out(self, user: User) -> Iterator[Finding]:
        images = sum(map(self._is_wanted, self._stores.images.list_owned(user.username)))
        self.looked_at += images
        self.left_out += images
        if images or self._words is None:
            # it may have control characters
            yield Finding.of(FindingKind.INVALID, "", f"user {user.username!r}")

    def _write_image(self, writer: ArchiveWriter, image: DetailedImage) -> Iterator[Finding]:
        record = FileRecord(image.guid, image.filename, image.size or 0, image.sha256 or "")
        sources = self._stores.images.sources.list_sources(image.guid)
        content = read_image(self._stores.content, record)
        if isinstance(content, bytes):
            try:
                writer.add_image(ArchivedImage.of(image, sources), content)
            except ValueError:
                yield Finding.of_image(FindingKind.INVALID, record)
            else:
                self.outside += sum(self._is_outside(source.guid) for source in sources)
        elif record == self._stores.images.find_records([record.guid]).get(record.guid):
            # a row that is gone by now took its file along
            yield Finding.of_image(content, record)

    def _is_wanted(self, image: DetailedImage) -> bool:
        return self._words is None or self._words.match(image.prompt)

    def _is_outside(self, guid: str) -> bool:
        """Return whether an image exists, and is not one of the selection."""
        image = self._stores.images.find_image(guid)
        return image is not None and not (image.owner in self._owners and self._is_wanted(image))


def _read_words(query: str | None) -> SearchWords | None:
    return validate_filter({"q": query}).words
