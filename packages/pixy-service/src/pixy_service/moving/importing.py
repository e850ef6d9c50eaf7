"""Reads an archive into an installation, while services run; the same command again goes on.

The bytes of an image are written and verified before its row is inserted. A kill leaves at most
one file without a row, which the next run of the import writes again.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from pixy_core import ConfigurationError, ConstraintViolationError, DetailedImage, User
from pixy_data import (
    ArchivedImage,
    ArchivedUser,
    ArchiveReader,
    Deletion,
    ImageEntry,
    run_transaction,
)
from pixy_service.accounts.passwords import hash_password
from pixy_service.checking import Finding, FindingKind
from pixy_service.creation.recovery import Recovery
from pixy_service.moving.verifying import describe_fault, find_fault, list_unused, open_source
from pixy_service.stores import ImageStores
from pixy_service.validation import validate_username


class ArchiveImport:
    """Imports one archive. One image is in memory at a time, at most twice.

    An image that is there is never changed, except that its lost or damaged file is written again.

    Args:
        stores: Rows and bytes.
        recovery: Turns journal entries into images; it is not running.
        source: The archive: its path, or an open pipe.
        names: Names of existing users here, by the names of users in the archive.
        on_progress: Called after each image of the archive.

    Attributes:
        new_users: The names of the users that were added. They have no password yet.
        given: Existing users here who got images, by the names of the users in the archive.
        joined_classes: Classes with other users here to which a user or an image was added.
        images: Number of images of the archive so far.
        added: Number of images that were added.
        present: Number of images that were there already.
        repaired: Number of those whose files were written again.
        bytes: The size of the files that were written.
        left_out: Number of images that were not imported.
    """

    def __init__(
        self,
        stores: ImageStores,
        recovery: Recovery,
        source: Path | BinaryIO,
        *,
        names: Mapping[str, str] | None = None,
        on_progress: Callable[["ArchiveImport"], None] = lambda _: None,
    ) -> None:
        self._stores = stores
        self._recovery = recovery
        self._source = source
        self._names = {
            validate_username(old): validate_username(new) for old, new in (names or {}).items()
        }
        self._unused = set(self._names)
        self._on_progress = on_progress
        self._stuck: set[str] = set()
        # of the images that follow in the archive: the name there, and the user here
        self._archived_name = ""
        self._owner: User | None = None
        self._members: dict[str, set[str]] = {}
        self.new_users: list[str] = []
        self.given: dict[str, str] = {}
        self.joined_classes: set[str] = set()
        self.images = self.added = self.present = self.repaired = self.bytes = self.left_out = 0

    def run(self) -> Iterator[Finding]:
        """Import everything, and yield each image, user and name that is left out.

        Raises:
            ConfigurationError: `names` names a user that does not exist here.
            ArchiveError: The archive is not complete or damaged; what was imported stays.
            StoreMismatchError: The content store and the database do not belong together.
            PixyProxyException: The database or the store failed; what was imported stays.
        """
        for name in self._names.values():
            if self._stores.users.authenticate_user(name) is None:
                raise ConfigurationError(f"There is no user {name} here: add it first")
        with open_source(self._source) as file, ArchiveReader(file) as reader:
            self._stores.content.confirm()
            self._stuck = set(self._recovery.adopt_all())
            for user in self._stores.users.list_users():
                self._members.setdefault(user.class_key, set()).add(user.username)
            for entry in reader.read():
                if isinstance(entry, ArchivedUser):
                    yield from self._take_user(entry)
                else:
                    yield from self._take_image(entry)
                    self._on_progress(self)
                # or its bytes stay until the next ones are read
                del entry
        yield from list_unused(self._unused)

    def _take_user(self, archived: ArchivedUser) -> Iterator[Finding]:
        self._archived_name = archived.username
        self._unused.discard(archived.username)
        name = self._names.get(archived.username, archived.username)
        self._owner = self._stores.users.authenticate_user(name) or self._add_user(archived)
        # class images would be shown to others than before; perhaps it is somebody else
        is_mapped = archived.username in self._names
        if not is_mapped and self._owner.class_key != archived.class_key:
            self._owner = None
            yield Finding.of(FindingKind.REFUSED, "", f"user {name}")

    @cached_property
    def _unknown_password(self) -> str:
        """The hash of what nobody knows; it takes as long to refuse as that of any password."""
        return hash_password(secrets.token_urlsafe(32))

    def _add_user(self, archived: ArchivedUser) -> User:
        if archived.username in self._names:
            raise ConstraintViolationError
        user = User(password=self._unknown_password, **archived.model_dump())
        try:
            added = self._stores.users.insert_user(user)
        except ConstraintViolationError:
            # another process was faster
            found = self._stores.users.authenticate_user(user.username)
            if found is None:
                raise
            return found
        self.new_users.append(user.username)
        self._note_class(user)
        return added

    def _note_class(self, user: User) -> None:
        if self._members.get(user.class_key, set()) - {user.username}:
            self.joined_classes.add(user.class_key)

    def _take_image(self, entry: ImageEntry) -> Iterator[Finding]:
        self.images += 1
        fault = find_fault(entry, self._archived_name) or self._import(entry)
        if fault is not None:
            self.left_out += fault != FindingKind.OUTDATED
            # there is one finding for the user
            if fault != FindingKind.REFUSED:
                yield describe_fault(fault, entry)

    def _import(self, entry: ImageEntry) -> FindingKind | None:
        """Import a faultless image, unless there is a reason here not to; return that."""
        image, content = entry.image, entry.content
        if self._owner is None or image is None or content is None:
            return FindingKind.REFUSED
        if image.guid in self._stuck:
            return FindingKind.WAITING
        self._stores.content.verify(fresh=False)
        existing = self._stores.images.find_image(image.guid)
        if existing is not None:
            return self._compare(existing, image, content)
        if self._stores.creations.is_claimed(image.guid, self._owner.username):
            return FindingKind.CLAIMED
        if self._stores.deletions.find_filenames([image.guid]):
            # the file would be removed as well
            return FindingKind.DELETING
        return self._add(image, content, self._owner)

    def _compare(
        self, existing: DetailedImage, image: ArchivedImage, content: bytes
    ) -> FindingKind | None:
        sources = self._stores.images.sources.list_sources(image.guid)
        if not image.is_same(existing, sources):
            return FindingKind.DIFFERS
        if not self._stores.content.inventory.is_whole(image.record):
            self._write(image, content)
            if self._stores.images.find_image(image.guid) is None:
                # its owner has deleted it meanwhile, perhaps before the file was written
                self._stores.deletions.insert_deletion(Deletion(image.guid, image.filename))
                self._stores.content.delete(image.filename)
                return FindingKind.DELETING
            self.repaired += 1
        self.present += 1
        is_newer = image.updated_at > existing.updated_at
        is_outdated = is_newer and image.visibility != existing.visibility
        return FindingKind.OUTDATED if is_outdated else None

    def _add(self, image: ArchivedImage, content: bytes, owner: User) -> FindingKind | None:
        difference = self._stores.content.inventory.find_difference(image.record)
        if difference == FindingKind.CORRUPT:
            # a file whose row is lost: it may be the only copy of something else
            return FindingKind.DIFFERS
        # also a file that agrees: a kill may have come before its folder was synced
        self._write(image, content)
        # the volume or the database may have been exchanged meanwhile
        self._stores.content.confirm()
        try:
            run_transaction(self._stores.database, lambda: self._insert(image, owner))
        except ConstraintViolationError:
            # another import of the same archive was faster
            existing = self._stores.images.find_image(image.guid)
            if existing is None:
                raise
            return self._compare(existing, image, content)
        self.added += 1
        self._note_class(owner)
        if owner.username not in self.new_users:
            self.given[self._archived_name] = owner.username
        return None

    def _write(self, image: ArchivedImage, content: bytes) -> None:
        self._stores.content.copy_in(image.record, content)
        self.bytes += len(content)

    def _insert(self, image: ArchivedImage, owner: User) -> None:
        # one of an installation whose database was restored
        self._stores.creations.finish_creation(image.guid)
        self._stores.images.insert_image(
            image.detail,
            owner,
            image.created_at,
            image.purchase,
            image.sources,
            updated_at=image.updated_at,
        )
