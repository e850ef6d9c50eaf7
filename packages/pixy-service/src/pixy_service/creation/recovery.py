"""Finishes creations that a dead process left, or that this one could not finish.

A recovery runs in every process, at its start and every few seconds; several at once do no harm.
It never deletes what may still become an image.
"""

import logging
import threading
import time
from collections.abc import Callable

from pixy_core import (
    ConstraintViolationError,
    ContentDamagedError,
    CreationStatus,
    GenerationUnknownError,
    ImageDeletedError,
    ImageNotStoredError,
    PixyProxyException,
    StorageUnavailableError,
    StoreMismatchError,
)
from pixy_data import LEASE, JournalEntry, Lease
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.idempotency import describe_problem
from pixy_service.creation.observer import NO_OBSERVER, GenerationObserver, telling
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)

_PAUSE = LEASE.total_seconds() / 3
"""Seconds: a claim that is held is extended three times before its lease runs out."""

_SOON = 2 * LEASE.total_seconds()
"""Seconds until the journal is listed again after the first listing, and after failures."""

_FAILURES = 3
"""Entries in a row that can't be adopted: then the next run continues with those that follow."""


class Recovery:
    """Extends the leases of this process, and finishes the creates of dead processes.

    Args:
        stores: Rows and bytes.
        claims: The claims of this process.
        adopter: Turns journal entries into images.
        finish_deletions: Removes the files of deleted images. It gets a function that returns
            whether to end early.
        note_uses: Stores when API keys were used.
        observer: Gets a call for each creation that is given up as unknown.
        patience: Seconds for which a lease must stay unchanged before its process counts as dead.
            They are measured by this process's clock, because the database's clock may jump.
        pause: Seconds between two runs, and between two extensions of the leases.
    """

    def __init__(
        self,
        stores: ImageStores,
        claims: Claims,
        adopter: ImageAdopter,
        finish_deletions: Callable[[Callable[[], bool]], None] = lambda _: None,
        *,
        note_uses: Callable[[], None] = lambda: None,
        observer: GenerationObserver = NO_OBSERVER,
        patience: float = LEASE.total_seconds(),
        pause: float = _PAUSE,
    ) -> None:
        self._stores = stores
        self._claims = claims
        self._adopter = adopter
        self._finish_deletions = finish_deletions
        self._note_uses = note_uses
        self._observer = observer
        self._abandoned: set[str] = set()
        self._stuck: set[str] = set()
        self._patience = patience
        self._seen: dict[tuple[str, str], float] = {}
        self._next_listing = 0.0
        # for the first listing, what a crash left just before this start is too young
        self._lists_soon = True
        self._position = ""
        self._stopping = threading.Event()
        self._pause = pause
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a thread that runs now and every few seconds until `close`.

        Another thread extends the leases, so that they do not depend on the disk.
        """
        self._start_thread("recovery", self._run)
        self._start_thread("lease renewal", self._claims.extend)

    def close(self) -> None:
        """End the threads, and a run at its next item; safe to call twice."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def run_once(self) -> None:
        """Do everything that can be done now.

        Raises:
            StoreMismatchError: The image folder belongs to another database.
            PixyProxyException: The database or the disk failed.
        """
        # a failure here may mean an outage: then forget the leases that were seen, because live
        # processes need time to extend theirs
        seen, self._seen = self._seen, {}
        # what needs only the database comes first, for the store may be away for long
        self._claims.extend()
        self._claims.settle()
        self._stores.database.find_writer()
        try:
            self._stores.content.verify()
            # before what may take long: places at the provider and finished images wait for this
            seen = self._judge_leases(seen)
            self._go_through_lists()
        except StorageUnavailableError:
            # no outage of the database: live processes extend their leases meanwhile
            self._seen = seen
            raise
        self._seen = seen

    def adopt_journal(self) -> None:
        """Turn the journal's entries into images. An entry for which that fails is kept and logged.

        Raises:
            StoreMismatchError: The image folder belongs to another database.
            StorageUnavailableError: The store can't be read.
        """
        for guid in self._stores.content.list_kept():
            self._adopt(guid)

    def adopt_all(self) -> list[str]:
        """Like `adopt_journal`, and return the guids of images for which that is impossible."""
        content = self._stores.content
        whole = [guid for guid in content.list_kept() if content.has_kept(guid)]
        self.adopt_journal()
        return [guid for guid in whole if content.has_kept(guid)]

    def _go_through_lists(self) -> None:
        is_listed = time.monotonic() >= self._next_listing and self._adopt_listed()
        if is_listed:
            self._plan_listing()
        self._finish_deletions(self._stopping.is_set)
        if is_listed:
            self._remove_leftovers()

    def _adopt_listed(self) -> bool:
        """Adopt the journal's entries, from where the last call gave up after failures.

        Returns:
            Whether it came to the end of the list.
        """
        start, self._position = self._position, ""
        failures = 0
        for guid in sorted(self._stores.content.list_kept()):
            if guid <= start:
                continue
            if self._stopping.is_set():
                return False
            failures = 0 if self._adopt(guid) else failures + 1
            if failures == _FAILURES:
                self._position = guid
                return False
        return True

    def _plan_listing(self) -> None:
        pause = self._stores.content.listing_pause
        self._next_listing = time.monotonic() + (min(pause, _SOON) if self._lists_soon else pause)
        self._lists_soon = False

    def _run(self) -> None:
        try:
            self.run_once()
        finally:
            self._note_uses()

    def _start_thread(self, task: str, work: Callable[[], None]) -> None:
        name = f"pixy-{task.replace(' ', '-')}"
        thread = threading.Thread(target=self._repeat, args=(task, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, task: str, work: Callable[[], None]) -> None:
        has_warned = False
        while True:
            try:
                work()
            except PixyProxyException as error:
                if not has_warned:
                    logger.warning(
                        "%s is tried again every few seconds: %s", task, error.explanation
                    )
                has_warned = True
            except Exception:
                logger.exception("%s failed", task)
            else:
                has_warned = False
            if self._stopping.wait(self._pause):
                return

    def _adopt(self, guid: str) -> bool:
        """Make the image of an entry visible, unless this process is storing it.

        Returns:
            False if its own files or objects can't be read or moved now.

        Raises:
            StorageUnavailableError: Nothing in the store can be read.
        """
        if guid in self._abandoned or self._claims.holds(guid):
            return True
        try:
            self._adopt_kept(guid)
        except StoreMismatchError:
            raise
        except StorageUnavailableError as error:
            self._stores.content.verify()
            self._note_stuck(guid, error)
            return False
        return True

    def _adopt_kept(self, guid: str) -> None:
        try:
            entry = self._find_entry(guid)
            if entry is not None:
                self._adopt_entry(entry)
        except ImageDeletedError:
            logger.info("image %s is deleted, and its entry was still there", guid)
        except (ContentDamagedError, ConstraintViolationError) as error:
            if not self._stores.content.has_kept(guid):
                return
            logger.critical("image %s can't be recovered, its entry is kept: %s", guid, error)
            self._give_up_entry(guid)

    def _note_stuck(self, guid: str, error: StorageUnavailableError) -> None:
        """Note that an entry is to be tried again: a wrong owner of the file, or a bad block."""
        self._lists_soon = True
        if guid not in self._stuck:
            self._stuck.add(guid)
            logger.critical("image %s can't be read or moved, and is tried again: %s", guid, error)

    def _find_entry(self, guid: str) -> JournalEntry | None:
        content = self._stores.content
        # in this order: the bytes of an image that is being stored may arrive at any moment
        if not content.has_kept(guid):
            return None
        entry = content.find_kept(guid)
        if entry is None and content.has_kept(guid):
            # it can't be read, and the journal has logged that
            self._give_up_entry(guid)
        return entry

    def _adopt_entry(self, entry: JournalEntry) -> None:
        self._stores.content.publish(entry.image.filename)
        # a crash may have truncated the file, and its row must be true
        self._stores.content.read(entry.image)
        self._adopter.adopt(entry)
        logger.warning("image %s was recovered from the journal", entry.image.guid)

    def _give_up_entry(self, guid: str) -> None:
        """Mark the creation as failed, and leave the entry to an operator; a restart retries."""
        self._abandoned.add(guid)
        problem = describe_problem(ImageNotStoredError())
        self._stores.creations.fail_creation(guid, CreationStatus.FAILED, problem)

    def _judge_leases(self, seen: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
        """End the creations whose lease has ended, and return when each lease was first seen.

        A lease is identified by its creation and its end, which moves when its process extends it.
        """
        now = time.monotonic()
        seen_now = {}
        for lease in self._stores.creations.list_leases():
            if self._stopping.is_set():
                break
            key = (lease.guid, lease.expires_at)
            seen_now[key] = seen.get(key, now)
            is_finished = lease.status != CreationStatus.PENDING
            is_abandoned = key in seen and now - seen[key] >= self._patience
            if lease.is_expired and (is_finished or is_abandoned):
                self._expire_if_readable(lease)
        return seen_now

    def _expire_if_readable(self, lease: Lease) -> None:
        """Leave a creation for the next run if only its own file or object can't be read."""
        try:
            self._expire(lease)
        except StoreMismatchError:
            raise
        except StorageUnavailableError:
            self._stores.content.verify()

    def _expire(self, lease: Lease) -> None:
        guid, is_pending = lease.guid, lease.status == CreationStatus.PENDING
        if is_pending:
            # not every run lists the journal
            self._adopt(guid)
        if is_pending and (self._claims.holds(guid) or self._stores.content.has_kept(guid)):
            # this process still works on it, or its image is safe in the journal
            self._stores.creations.extend_lease(guid)
        elif is_pending and lease.asked:
            problem = describe_problem(GenerationUnknownError())
            if self._stores.creations.give_up(lease, problem):
                logger.critical(
                    "creation %s is unknown: its process ended while the provider worked", guid
                )
                with telling():
                    self._observer.note_lost()
                self._stores.content.drop_reservation(guid, LEASE.total_seconds())
        elif self._stores.creations.delete_expired(lease) and is_pending:
            self._stores.content.drop_reservation(guid, LEASE.total_seconds())

    def _remove_leftovers(self) -> None:
        """Remove unfinished files of dead processes that are in no journal entry."""
        age = LEASE.total_seconds()
        content = self._stores.content
        for leftover in content.list_leftovers(age):
            guid = leftover.guid
            if self._stopping.is_set():
                return
            if self._claims.holds(guid) or self._stores.creations.is_pending(guid):
                continue
            # the journal last: the process that made the image may be writing the entry now
            if not content.has_kept(guid) and content.remove_leftover(leftover, age):
                logger.warning("removed the unfinished file %s", leftover.name)
