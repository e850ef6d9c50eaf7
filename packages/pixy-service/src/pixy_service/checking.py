"""Comparing what the database says with what the disk holds, and putting right what can be.

Nothing is ever deleted here: a file that no row knows is moved aside, and only if it is older
than a create can last, and its row, looked for once more, is still not there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pixy_core import PixyProxyException
from pixy_data import ContentStore, FileRecord, FoundFile, Inventory


class RepairRefusedError(PixyProxyException):
    """There are files and not a single row: the rows were lost, not the files made too many."""

    message = "The database holds no image at all: nothing is repaired, and no file is moved"


class FindingKind(StrEnum):
    """What may be wrong."""

    MISSING = "missing"
    CORRUPT = "corrupt"
    UNTRACKED = "untracked"
    LEFTOVER = "leftover"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: What is wrong.
        guid: The image that it is about.
        path: The file, within the data folder.
        reason: In words, nothing of the image itself.
        repair: What was done about it, or None while it remains.
    """

    kind: FindingKind
    guid: str
    path: str
    reason: str
    repair: str | None = None


class StoreChecker:
    """Compares rows and files of an installation that may be in use meanwhile.

    Args:
        inventory: The rows and the files.
        content: Tells whether both belong together.
        data_dir: The folder that paths are told within.
        min_age: Seconds; a file that changed less long ago may belong to a create under way.

    Attributes:
        images: Rows that were looked at so far.
        files: Files that were looked at so far.
        remaining: Findings so far about which nothing was done.
    """

    def __init__(
        self, inventory: Inventory, content: ContentStore, data_dir: Path, min_age: float
    ) -> None:
        self._inventory = inventory
        self._content = content
        self._data_dir = data_dir.absolute()
        self._min_age = min_age
        self.images = 0
        self.files = 0
        self.remaining = 0

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Compare everything, and tell each finding as it is made.

        Args:
            repair: Whether to put right what can be.

        Raises:
            StoreMismatchError: The folder and the database don't belong together.
            RepairRefusedError: There are files, and not a single row.
            PixyProxyException: The database or the disk failed; what was done stays done.
        """
        self._content.verify()
        for finding in self._find(repair=repair):
            self.remaining += finding.repair is None
            yield finding

    def _find(self, *, repair: bool) -> Iterator[Finding]:
        for record in self._inventory.list_records():
            self.images += 1
            yield from self._check_record(record)
        for part in self._inventory.list_files():
            self.files += len(part)
            if repair and not self._inventory.has_records():
                raise RepairRefusedError
            for file in self._find_untracked(part):
                if file.age is None or file.age >= self._min_age:
                    yield self._set_aside(file) if repair else self._describe(file)

    def _check_record(self, record: FileRecord) -> Iterator[Finding]:
        difference = self._inventory.find_difference(record)
        # a row that is gone by now took its file along
        if difference is None or record not in self._current(record.guid):
            return
        reasons = {"missing": "its file is not there", "corrupt": "its file is not what it was"}
        path = f"images/{record.filename[:2]}/{record.filename}"
        yield Finding(FindingKind(difference), record.guid, path, reasons[difference])

    def _find_untracked(self, part: list[FoundFile]) -> list[FoundFile]:
        records = self._inventory.find_records([file.guid for file in part])
        known = {record.filename for record in records.values()}
        return [file for file in part if file.path.name not in known]

    def _set_aside(self, file: FoundFile) -> Finding:
        finding = self._describe(file)
        if file.age is None:
            return finding
        # read again just before: the create or the delete that it belongs to may have ended
        if self._find_untracked([file]) and file.path.exists():
            moved = self._inventory.set_aside(file, self._data_dir / "quarantine")
            return _repaired(finding, f"moved to {self._place(moved)}")
        return _repaired(finding, "settled by itself meanwhile")

    def _describe(self, file: FoundFile) -> Finding:
        kind = FindingKind.LEFTOVER if file.is_part else FindingKind.UNTRACKED
        reason = "it was never finished" if file.is_part else "no row knows this file"
        if file.age is None:
            reason += ", and its age can't be told"
        return Finding(kind, file.guid, self._place(file.path), reason)

    def _current(self, guid: str) -> list[FileRecord]:
        return list(self._inventory.find_records([guid]).values())

    def _place(self, path: Path) -> str:
        return str(path.relative_to(self._data_dir))


def _repaired(finding: Finding, repair: str) -> Finding:
    return Finding(finding.kind, finding.guid, finding.path, finding.reason, repair)
