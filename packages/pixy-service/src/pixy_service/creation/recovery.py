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
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)

_PAUSE = LEASE.total_seconds() / 3
"""Seconds: a claim that is held is extended three times before its lease runs out."""


class Recovery:
    """Keeps the leases of this process, and finishes what others left.

    Args:
        stores: Rows, files and the journal.
        claims: The claims of this process.
        adopter: Turns journal entries into images.
        finish_deletions: Removes the files of deleted images.
        patience: Seconds, by this process's own clock, for which a lease must not have changed
            before its process is considered dead. The database's clock may jump in a failover.
        pause: Seconds between two runs, and between two extensions of the leases.
    """

    def __init__(
        self,
        stores: ImageStores,
        claims: Claims,
        adopter: ImageAdopter,
        finish_deletions: Callable[[], None] = lambda: None,
        *,
        patience: float = LEASE.total_seconds(),
        pause: float = _PAUSE,
    ) -> None:
        self._stores = stores
        self._claims = claims
        self._adopter = adopter
        self._finish_deletions = finish_deletions
        self._abandoned: set[str] = set()
        self._stuck: set[str] = set()
        self._patience = patience
        self._seen: dict[tuple[str, str], float] = {}
        self._stopping = threading.Event()
        self._pause = pause
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a thread that runs now and every few seconds until `close`.

        Another thread extends the leases, so that they do not depend on the disk.
        """
        self._start_thread("recovery", self.run_once)
        self._start_thread("lease renewal", self._claims.extend)

    def close(self) -> None:
        """End the threads; safe to call twice."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def run_once(self) -> None:
        """Do everything that can be done now.

        Raises:
            StoreMismatchError: The image folder belongs to another database.
            PixyProxyException: The database or the disk failed.
        """
        # after an outage, of which a failure here tells, the living extend their leases first
        seen, self._seen = self._seen, {}
        self._claims.extend()
        self._stores.content.verify()
        self.adopt_journal()
        self._claims.settle()
        self._seen = self._judge_leases(seen)
        self._finish_deletions()
        self._remove_leftovers()
        self._stores.database.find_writer()

    def adopt_journal(self) -> None:
        """Turn the journal's entries into images. An entry for which that fails is kept and logged.

        Raises:
            StoreMismatchError: The image folder belongs to another database.
            StorageUnavailableError: The journal can't be read.
        """
        for guid in self._stores.journal.list_guids():
            self._adopt(guid)

    def _start_thread(self, task: str, work: Callable[[], None]) -> None:
        name = f"pixy-{task.replace(' ', '-')}"
        thread = threading.Thread(target=self._repeat, args=(task, work), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, task: str, work: Callable[[], None]) -> None:
        is_waiting = False
        while True:
            try:
                work()
            except PixyProxyException as error:
                if not is_waiting:
                    logger.warning(
                        "%s is tried again every few seconds: %s", task, error.explanation
                    )
                is_waiting = True
            except Exception:
                logger.exception("%s failed", task)
            else:
                is_waiting = False
            if self._stopping.wait(self._pause):
                return

    def _adopt(self, guid: str) -> None:
        if guid in self._abandoned or self._claims.holds(guid):
            return
        try:
            entry = self._stores.journal.find(guid)
            if entry is not None:
                self._adopt_entry(entry)
            elif self._stores.journal.has(guid):
                # it can't be read, and the journal has logged that
                self._give_up_entry(guid)
        except ImageDeletedError:
            logger.info("image %s was deleted before its entry was", guid)
        except (ContentDamagedError, ConstraintViolationError) as error:
            if not self._stores.journal.has(guid):
                return
            logger.critical("image %s can't be recovered, its entry is kept: %s", guid, error)
            self._give_up_entry(guid)
        except StoreMismatchError:
            raise
        except StorageUnavailableError as error:
            # a file of another user's, or a bad block: the others don't wait for it
            if guid not in self._stuck:
                self._stuck.add(guid)
                logger.critical("image %s waits for its disk, and is tried again: %s", guid, error)

    def _adopt_entry(self, entry: JournalEntry) -> None:
        self._stores.content.publish(entry.image.filename)
        # a row is promised to be true, and a crash may have torn the file
        self._stores.content.read(entry.image)
        self._adopter.adopt(entry)
        logger.warning("image %s was recovered from the journal", entry.image.guid)

    def _give_up_entry(self, guid: str) -> None:
        """Leave an entry to an operator, and tell the owner; the next start tries it again."""
        self._abandoned.add(guid)
        problem = describe_problem(ImageNotStoredError())
        self._stores.creations.fail_creation(guid, CreationStatus.FAILED, problem)

    def _judge_leases(self, seen: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
        """End the creations whose time has run out, and return since when each lease is known.

        A lease is identified by its creation and its end, which moves when its process extends it.
        """
        now = time.monotonic()
        seen_now = {}
        for lease in self._stores.creations.list_leases():
            key = (lease.guid, lease.expires_at)
            seen_now[key] = seen.get(key, now)
            is_kept_long = lease.status != CreationStatus.PENDING
            is_abandoned = key in seen and now - seen[key] >= self._patience
            if lease.is_expired and (is_kept_long or is_abandoned):
                self._expire(lease)
        return seen_now

    def _expire(self, lease: Lease) -> None:
        guid, is_pending = lease.guid, lease.status == CreationStatus.PENDING
        if is_pending and (self._claims.holds(guid) or self._stores.journal.has(guid)):
            # this pass outlasted its lease, or its image is safe and waits for its disk
            self._stores.creations.extend_lease(guid)
        elif is_pending and lease.asked:
            problem = describe_problem(GenerationUnknownError())
            if self._stores.creations.give_up(lease, problem):
                logger.critical(
                    "creation %s is unknown: its process ended while the provider worked", guid
                )
        else:
            self._stores.creations.delete_expired(lease)

    def _remove_leftovers(self) -> None:
        """Remove unfinished files of dead processes that are in no journal entry."""
        age = LEASE.total_seconds()
        for leftovers in (self._stores.content.staging.leftovers, self._stores.journal.leftovers):
            for guid, name in leftovers.list_older(age):
                if self._claims.holds(guid) or self._stores.creations.is_pending(guid):
                    continue
                # the entry last: the process that made the image may be writing it at this moment
                if not self._stores.journal.has(guid) and leftovers.remove_older(name, age):
                    logger.warning("removed the unfinished file %s", name)
