"""Copies the images of one content store to another, while services run.

The rows decide what is copied. The target gets the mark of the database last, so that no service
starts on a part of the images.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice, repeat

from pixy_core import PixyProxyException, StoreMismatchError
from pixy_data import PART_SIZE, ContentStore, FileRecord, StoreMarker
from pixy_service.checking import Finding, FindingKind, read_image
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores

_CHECKS = 8
"""Images of the target that are checked at once; each has 2 MiB in memory at most."""

_PASSES = 20
"""The most passes for images that were made during the pass before. A pass takes seconds."""


class CopyUnfinishedError(PixyProxyException):
    """New images came faster than they were copied."""

    message = "Images are made faster than they are copied: stop the service, and run it again"


class StoreCopy:
    """Copies what is missing in the target. One image is in memory at a time.

    Args:
        stores: The rows, and the source.
        recovery: Turns journal entries into images; it is not running.
        target: The target, which checks no mark.
        marker: Reads and writes the mark of the target.
        leave_damaged: Whether the copy is complete without the images that can't be read.
        on_progress: Called after each row.

    Attributes:
        images: Number of rows seen in the last pass.
        copied: Number of images written to the target.
        bytes: Their size.
        damaged: Number of images that are missing or damaged in the source, and not in the target.
        waiting: Number of journal entries that can't become images.
        surplus: Number of images in the target that have no row any more.
        is_complete: Whether the target has the mark of the database.
    """

    def __init__(
        self,
        stores: ImageStores,
        recovery: Recovery,
        target: ContentStore,
        marker: StoreMarker,
        *,
        leave_damaged: bool = False,
        on_progress: Callable[["StoreCopy"], None] = lambda _: None,
    ) -> None:
        self._stores = stores
        self._recovery = recovery
        self._target = target
        self._marker = marker
        self._leave_damaged = leave_damaged
        self._on_progress = on_progress
        # those that were reported: a pass finds them again
        self._damaged: set[str] = set()
        self.images = self.copied = self.bytes = self.waiting = self.surplus = 0
        self.is_complete = False

    @property
    def damaged(self) -> int:
        """The number of images that could not be copied."""
        return len(self._damaged)

    def run(self) -> Iterator[Finding]:
        """Copy everything, and yield each image that could not be copied.

        Raises:
            StoreMismatchError: The source or the target belongs to another database.
            CopyUnfinishedError: New images came faster than they were copied.
            PixyProxyException: The database or a store failed; what was copied stays.
        """
        self._find_mark()
        # what was there before this run is compared by hash, once
        finds = chain([self._find_unlike], repeat(self._target.inventory.list_absent, _PASSES))
        for find in finds:
            before = self.copied
            stuck = self._recovery.adopt_all()
            yield from self._copy_all(find)
            if self.copied == before:
                break
        else:
            raise CopyUnfinishedError
        for guid in stuck:
            yield Finding.of(FindingKind.WAITING, guid, f"journal/{guid}.json")
        self.waiting = len(stuck)
        self._finish()

    def _find_mark(self) -> str:
        """Return the mark of the database, if both stores may have it."""
        self._stores.content.confirm()
        mark = self._marker.find_mark()
        if mark is None or self._marker.find_store_mark() not in (None, mark):
            raise StoreMismatchError
        return mark

    def _copy_all(
        self, find: Callable[[Iterable[FileRecord]], Iterator[FileRecord]]
    ) -> Iterator[Finding]:
        self.images = 0
        for record in find(self._count(self._stores.images.list_records())):
            outcome = self._copy(record)
            # a row that is gone by now took its file along
            if outcome is not None and self._is_new(record):
                self._damaged.add(record.guid)
                yield Finding.of_image(outcome, record)

    def _count(self, records: Iterator[FileRecord]) -> Iterator[FileRecord]:
        for record in records:
            self.images += 1
            yield record
            self._on_progress(self)

    def _find_unlike(self, records: Iterable[FileRecord]) -> Iterator[FileRecord]:
        """Yield the rows whose images the target does not have with the right size and hash."""
        rows = iter(records)
        with ThreadPoolExecutor(_CHECKS, "pixy-copy") as threads:
            while part := list(islice(rows, PART_SIZE)):
                results = threads.map(self._target.inventory.is_whole, part)
                for record, is_whole in zip(part, results, strict=True):
                    if not is_whole:
                        yield record

    def _copy(self, record: FileRecord) -> str | None:
        """Copy an image; return `missing` or `corrupt` if it can't be read."""
        content = read_image(self._stores.content, record)
        if isinstance(content, str):
            return content
        self._target.copy_in(record, content)
        self._damaged.discard(record.guid)
        self.copied += 1
        self.bytes += len(content)
        return None

    def _is_new(self, record: FileRecord) -> bool:
        """Return whether a damaged image still has its row, and was not reported."""
        return record.guid not in self._damaged and record == self._stores.images.find_records(
            [record.guid]
        ).get(record.guid)

    def _finish(self) -> None:
        for part in self._target.inventory.list_files():
            known = self._stores.images.find_records([file.guid for file in part])
            names = {record.filename for record in known.values()}
            self.surplus += sum(file.name not in names for file in part)
        if not self.waiting and (self._leave_damaged or not self.damaged):
            # the source may have been exchanged meanwhile
            self._marker.mark_store(self._find_mark())
            self.is_complete = True
