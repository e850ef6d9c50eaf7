"""Compares the database with the disk, and repairs what can be repaired.

Nothing is deleted. A file without a row is moved aside, if it is older than a create can last and a
second look still finds no row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pixy_core import PixyProxyException
from pixy_data import (
    FileRecord,
    FoundFile,
    FoundFiles,
    Inventory,
)
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores


class RepairRefusedError(PixyProxyException):
    """There are files and no rows: the rows were lost."""

    message = "The database holds no image at all: nothing is repaired, and no file is moved"


class FindingKind(StrEnum):
    """The kinds of findings."""

    MISSING = "missing"
    CORRUPT = "corrupt"
    WAITING = "waiting"
    UNTRACKED = "untracked"
    RECENT = "recent"
    EMPTY = "empty"
    LEFTOVER = "leftover"
    PENDING = "pending"


REASONS = {
    FindingKind.MISSING: "its file is not there",
    FindingKind.CORRUPT: "its file is not what it was",
    FindingKind.WAITING: "its entry in the journal has not become a row",
    FindingKind.UNTRACKED: "no row knows this file",
    FindingKind.RECENT: "no row knows this file; it is too young to be moved",
    FindingKind.EMPTY: "the database holds no image, and this folder does: rows were lost",
    FindingKind.LEFTOVER: "it was never finished",
    FindingKind.PENDING: "nobody works on it any more; a running server settles that",
}
_UNDATED = ", and its age can't be told"


@dataclass(frozen=True)
class Finding:
    """A difference between rows and files.

    Attributes:
        kind: The kind.
        guid: The image's guid; empty if it concerns all images.
        path: The file, relative to the data folder; empty if it concerns only a row.
        reason: A description without content of the image.
        repair: What was done about it; None if nothing was.
    """

    kind: FindingKind
    guid: str
    path: str
    reason: str
    repair: str | None = None


class StoreChecker:
    """Compares rows and files, also while servers run.

    Args:
        inventory: The rows.
        files: The files.
        stores: The journal, pending creations, and deletions.
        recovery: Turns journal entries into images; it is not running.
        data_dir: The folder to which paths are relative.
        min_age: Seconds; younger files may belong to a running create, and are not moved.

    Attributes:
        images: Number of rows checked so far.
        files: Number of files checked so far.
        remaining: Number of findings so far about which nothing was done.
    """

    def __init__(
        self,
        inventory: Inventory,
        files: FoundFiles,
        stores: ImageStores,
        recovery: Recovery,
        *,
        data_dir: Path,
        min_age: float,
    ) -> None:
        self._inventory = inventory
        self._files = files
        self._stores = stores
        self._recovery = recovery
        self._data_dir = data_dir.absolute()
        self._min_age = min_age
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
        waiting = list(self._files.list_entries())
        if repair:
            # this may make the first rows of all
            self._recovery.adopt_journal()
            if not self._inventory.has_records() and any(self._files.list_files()):
                raise RepairRefusedError
        for record in self._inventory.list_records():
            self.images += 1
            yield from self._check_record(record)
        yield from self._check_journal(waiting, repair=repair)
        yield from self._check_files(repair=repair)
        for file in self._files.list_unfinished():
            yield from self._check_unfinished(file, repair=repair)
        for guid in self._inventory.list_abandoned(self._min_age):
            if not self._stores.journal.has(guid):
                yield Finding(FindingKind.PENDING, guid, "", REASONS[FindingKind.PENDING])

    def _check_record(self, record: FileRecord) -> Iterator[Finding]:
        difference = self._inventory.find_difference(record)
        # a row that is gone by now took its file along
        if difference is None or record not in self._current(record.guid):
            return
        kind = FindingKind(difference)
        path = f"images/{record.filename[:2]}/{record.filename}"
        yield Finding(kind, record.guid, path, REASONS[kind])

    def _check_journal(self, entries: list[FoundFile], *, repair: bool) -> Iterator[Finding]:
        kind = FindingKind.WAITING
        for entry in entries:
            finding = Finding(kind, entry.guid, self._place(entry.path), REASONS[kind])
            is_gone = not self._stores.journal.has(entry.guid)
            if is_gone and repair:
                yield _repaired(finding, "its row is there now")
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
            yield Finding(FindingKind.EMPTY, "", "images", REASONS[FindingKind.EMPTY])

    def _check_untracked(self, file: FoundFile, *, repair: bool) -> Iterator[Finding]:
        if self._is_old(file):
            yield from self._check_leftover(FindingKind.UNTRACKED, file, repair=repair)
        elif not self._is_in_use(file):
            kind = FindingKind.RECENT
            yield Finding(kind, file.guid, self._place(file.path), REASONS[kind])

    def _check_unfinished(self, file: FoundFile, *, repair: bool) -> Iterator[Finding]:
        if self._is_old(file):
            yield from self._check_leftover(FindingKind.LEFTOVER, file, repair=repair)

    def _check_leftover(
        self, kind: FindingKind, file: FoundFile, *, repair: bool
    ) -> Iterator[Finding]:
        # a journal entry has its own finding, and recovery still needs its files
        if not self._stores.journal.has(file.guid):
            reason = REASONS[kind] + (_UNDATED if file.age is None else "")
            finding = Finding(kind, file.guid, self._place(file.path), reason)
            yield self._set_aside(file, finding) if repair and file.age is not None else finding

    def _is_in_use(self, file: FoundFile) -> bool:
        """Return whether a file without a row belongs to a running create or delete.

        The order matters: an entry is removed after its row is committed, a file after its row.
        """
        return (
            self._stores.creations.is_pending(file.guid)
            or self._stores.journal.has(file.guid)
            or not self._find_untracked([file])
            or not file.path.exists()
        )

    def _is_old(self, file: FoundFile) -> bool:
        """Return whether a file is certainly too old for a running create."""
        return file.age is None or file.age >= self._min_age

    def _find_untracked(self, part: list[FoundFile]) -> list[FoundFile]:
        guids = [file.guid for file in part]
        known = {record.filename for record in self._inventory.find_records(guids).values()}
        known |= self._inventory.find_deleted(guids)
        return [file for file in part if file.path.name not in known]

    def _set_aside(self, file: FoundFile, finding: Finding) -> Finding:
        # read again just before: the create or the delete that it belongs to may have ended
        if self._find_untracked([file]) and file.path.exists():
            moved = self._files.set_aside(file, self._data_dir / "quarantine")
            return _repaired(finding, f"moved to {self._place(moved)}")
        return _repaired(finding, "no longer a finding")

    def _current(self, guid: str) -> list[FileRecord]:
        return list(self._inventory.find_records([guid]).values())

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self._data_dir))


def _repaired(finding: Finding, repair: str) -> Finding:
    return Finding(finding.kind, finding.guid, finding.path, finding.reason, repair)
