"""Compares the database with the image files or objects, and repairs what can be repaired.

Nothing is deleted. With `repair`, a file without a row is moved to the quarantine if it is older
than `min_age` and a second query still finds no row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from pixy_core import (
    ContentDamagedError,
    PixyProxyException,
    StorageUnavailableError,
    StoreMismatchError,
)
from pixy_data import ContentStore, FileRecord, FoundFile
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores


class RepairRefusedError(PixyProxyException):
    """There are files and no rows: the rows were lost."""

    message = "The database holds no image at all: nothing is repaired, and no file is moved"


class FindingKind(StrEnum):
    """The kinds of findings.

    INVALID comes from exports and imports, those after it only from imports.
    """

    MISSING = "missing"
    CORRUPT = "corrupt"
    WAITING = "waiting"
    UNTRACKED = "untracked"
    RECENT = "recent"
    EMPTY = "empty"
    LEFTOVER = "leftover"
    PENDING = "pending"
    INVALID = "invalid"
    DIFFERS = "differs"
    CLAIMED = "claimed"
    DELETING = "deleting"
    REFUSED = "refused"
    UNUSED = "unused"
    OUTDATED = "outdated"


_REASONS = {
    FindingKind.MISSING: "its file is not there",
    FindingKind.CORRUPT: "its size or SHA-256 differs from the row, or it can't be read",
    FindingKind.WAITING: "its entry in the journal has not become a row",
    FindingKind.UNTRACKED: "this file has no row",
    FindingKind.RECENT: "this file has no row; it is too young to be moved",
    FindingKind.EMPTY: "the database has no image, but the store has files: rows were lost",
    FindingKind.LEFTOVER: "it was never finished",
    FindingKind.PENDING: "no process works on it; a running server ends it",
    FindingKind.INVALID: "its row breaks a rule",
    FindingKind.DIFFERS: "another image has its guid here",
    FindingKind.CLAIMED: "a creation here has its guid: run the import again when that has ended",
    FindingKind.DELETING: "it is being deleted here: run the import again",
    FindingKind.REFUSED: "this user is of another class here: name it with --map-user",
    FindingKind.UNUSED: "--map-user names it, and the archive has no such user",
    FindingKind.OUTDATED: "its visibility in the archive is different and newer",
}
_UNDATED = ", and its age is unknown"


@dataclass(frozen=True)
class Finding:
    """A difference between rows and files.

    Attributes:
        kind: The kind.
        guid: The image's guid; empty if it concerns all images.
        path: The file, in the data folder or the bucket; empty if it concerns only a row.
        reason: A description without content of the image.
        repair: What was done about it; None if nothing was.
    """

    kind: FindingKind
    guid: str
    path: str
    reason: str
    repair: str | None = None

    @classmethod
    def of(cls, kind: FindingKind, guid: str, path: str) -> Self:
        """Return a finding with the reason of its kind."""
        return cls(kind, guid, path, _REASONS[kind])

    @classmethod
    def of_image(cls, outcome: str, record: FileRecord) -> Self:
        """Return the finding about an image's file that is `missing` or `corrupt`."""
        path = f"images/{record.filename[:2]}/{record.filename}"
        return cls.of(FindingKind(outcome), record.guid, path)


def read_image(content: ContentStore, record: FileRecord) -> bytes | str:
    """Return the bytes of an image that agree with its row, or `missing` or `corrupt`.

    Raises:
        StorageUnavailableError: The store can't be read, or is another one.
    """
    try:
        return content.read(record)
    except StoreMismatchError:
        raise
    except ContentDamagedError:
        return content.inventory.find_difference(record) or FindingKind.CORRUPT
    except StorageUnavailableError:
        # the disk may have lost this file only
        outcome = content.inventory.find_difference(record)
        if outcome is None:
            raise
        return outcome


class StoreChecker:
    """Compares rows and files, also while servers run.

    Args:
        stores: The rows, and the files.
        recovery: Turns journal entries into images; not started.
        min_age: Seconds; younger files may belong to a running create, and are not moved.
        deep: Whether to read every object; files are always read.

    Attributes:
        images: Number of rows checked so far.
        files: Number of files checked so far.
        remaining: Number of findings so far about which nothing was done.
    """

    def __init__(
        self,
        stores: ImageStores,
        recovery: Recovery,
        *,
        min_age: float,
        deep: bool = True,
    ) -> None:
        self._files = stores.content.inventory
        self._stores = stores
        self._recovery = recovery
        self._min_age = min_age
        self._deep = deep
        self.images = 0
        self.files = 0
        self.remaining = 0

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Compare everything, and yield each finding.

        Args:
            repair: Whether to repair what can be repaired.

        Raises:
            StoreMismatchError: The folder and the database do not belong together.
            RepairRefusedError: There are files and no rows.
            PixyProxyException: The database or the disk failed; finished repairs stay.
        """
        self._stores.content.verify()
        for finding in self._find(repair=repair):
            self.remaining += finding.repair is None
            yield finding

    def _find(self, *, repair: bool) -> Iterator[Finding]:
        # an entry without its image is a create that is under way, or was given up
        has_kept = self._stores.content.has_kept
        waiting = [entry for entry in self._files.list_entries() if has_kept(entry.guid)]
        if repair:
            # this may insert the first rows of the database
            self._recovery.adopt_journal()
            if not self._stores.images.has_images() and any(self._files.list_files()):
                raise RepairRefusedError
        records = self._stores.images.list_records()
        for record, difference in self._files.compare(records, deep=self._deep):
            self.images += 1
            # the image may have been deleted meanwhile, row and file
            if difference is not None and record == self._find_record(record.guid):
                yield Finding.of_image(difference, record)
        yield from self._check_journal(waiting, repair=repair)
        yield from self._check_files(repair=repair)
        for file in self._files.list_unfinished():
            yield from self._check_unfinished(file, repair=repair)
        for guid in self._stores.creations.list_abandoned(self._min_age):
            if not self._stores.content.has_kept(guid):
                yield Finding.of(FindingKind.PENDING, guid, "")

    def _check_journal(self, entries: list[FoundFile], *, repair: bool) -> Iterator[Finding]:
        for entry in entries:
            finding = self._describe(FindingKind.WAITING, entry)
            is_gone = not self._stores.content.has_kept(entry.guid)
            if is_gone and repair:
                yield replace(finding, repair="its row is there now")
            elif not is_gone and self._is_old(entry):
                yield finding

    def _check_files(self, *, repair: bool) -> Iterator[Finding]:
        is_all_tracked = True
        for part in self._files.list_files():
            self.files += len(part)
            for file in self._find_untracked(part):
                for finding in self._check_untracked(file, repair=repair):
                    is_all_tracked = False
                    yield finding
        if not is_all_tracked and not self.images:
            yield Finding.of(FindingKind.EMPTY, "", "images")

    def _check_untracked(self, file: FoundFile, *, repair: bool) -> Iterator[Finding]:
        if self._is_old(file):
            yield from self._check_leftover(FindingKind.UNTRACKED, file, repair=repair)
        elif not self._is_in_use(file):
            yield self._describe(FindingKind.RECENT, file)

    def _check_unfinished(self, file: FoundFile, *, repair: bool) -> Iterator[Finding]:
        if self._is_old(file):
            yield from self._check_leftover(FindingKind.LEFTOVER, file, repair=repair)

    def _check_leftover(
        self, kind: FindingKind, file: FoundFile, *, repair: bool
    ) -> Iterator[Finding]:
        # a journal entry has its own finding, and recovery still needs its files
        if not self._stores.content.has_kept(file.guid):
            finding = self._describe(kind, file)
            if file.age is None:
                yield replace(finding, reason=finding.reason + _UNDATED)
            else:
                yield self._set_aside(file, finding) if repair else finding

    def _is_in_use(self, file: FoundFile) -> bool:
        """Return whether a file without a row belongs to a running create or delete.

        The order matters: a create removes the entry after committing the row; a delete removes the
        file after deleting the row.
        """
        return (
            self._stores.creations.is_pending(file.guid)
            or self._stores.content.has_kept(file.guid)
            or not self._find_untracked([file])
            or not self._files.has(file)
        )

    def _is_old(self, file: FoundFile) -> bool:
        """Return whether a file is certainly too old for a running create."""
        return file.age is None or file.age >= self._min_age

    def _find_untracked(self, part: list[FoundFile]) -> list[FoundFile]:
        guids = [file.guid for file in part]
        known = {record.filename for record in self._stores.images.find_records(guids).values()}
        known |= self._stores.deletions.find_filenames(guids)
        return [file for file in part if file.name not in known]

    def _set_aside(self, file: FoundFile, finding: Finding) -> Finding:
        # read again just before: the create or the delete that it belongs to may have ended
        if self._find_untracked([file]) and self._files.has(file):
            return replace(finding, repair=f"moved to {self._stores.content.set_aside(file)}")
        return replace(finding, repair="no longer a finding")

    def _find_record(self, guid: str) -> FileRecord | None:
        return self._stores.images.find_records([guid]).get(guid)

    def _describe(self, kind: FindingKind, file: FoundFile) -> Finding:
        return Finding.of(kind, file.guid, file.place)
