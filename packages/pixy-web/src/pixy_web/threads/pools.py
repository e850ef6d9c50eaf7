"""The threads of an application: which kind of work has its own, and how much of it may wait.

Work of one kind waits only for work of its kind: a slow search, a lock or a slow disk stops neither
details nor lists.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pixy_service import Services
from pixy_service.scheduling import Queries
from pixy_web.threads.fair_threads import FairThreads
from pixy_web.threads.threads import Threads, ThreadsBusyError, ThumbnailsBusyError

SEARCH_THREADS = 4
"""A search of a large collection keeps a core of the database busy for seconds."""

PUBLIC_SEARCH_THREADS = 2
WAITING_SEARCHES = 32

WRITE_THREADS = 4
"""A write may wait two seconds for a row that another one has locked, four times in a row."""

WAITING_WRITES = 64

HASHING_THREADS = 2
"""argon2id fills a core for 20 ms; more threads than this would slow the reads."""

WAITING_PASSWORDS = 64
"""At 20 ms a hash and two threads, the last of them waits for less than a second."""

THUMBNAIL_THREADS = 2
"""Making one fills a core, and takes up to 600 MB for an original of 8192 x 8192 pixels."""

WAITING_THUMBNAILS = 256
"""A page of the gallery asks for some dozens; at 50 ms each the last waits for six seconds."""

THUMBNAIL_PATIENCE = 30.0
"""Seconds that one may wait to be made."""

_OTHER_THREADS = (
    SEARCH_THREADS + PUBLIC_SEARCH_THREADS + WRITE_THREADS + HASHING_THREADS + THUMBNAIL_THREADS
)


@dataclass(frozen=True)
class Pools:
    """Where calls run.

    Attributes:
        queries: Reads of one row or two.
        reads: Lists, and the queries that can't run on the event loop.
        files: What opens and reads files.
        searches: Filtered lists of users.
        public_searches: Filtered lists of callers who have not signed in.
        writes: What changes rows and deletes files.
        passwords: Hashing, in which addresses take turns.
        thumbnails: Making smaller pictures, which keeps a core busy for a moment.
    """

    queries: Queries
    reads: Threads
    files: Threads
    searches: Threads
    public_searches: Threads
    writes: Threads
    passwords: FairThreads
    thumbnails: Threads

    async def close(self) -> None:
        """Wait for what runs, then end the threads."""
        for threads in (
            self.reads,
            self.files,
            self.searches,
            self.public_searches,
            self.writes,
            self.passwords,
            self.thumbnails,
        ):
            await asyncio.to_thread(threads.close)


def count_database_calls(threads: int) -> int:
    """Return how many calls can use a database connection at once.

    Args:
        threads: As for `open_pools`.
    """
    # on the event loop, for lists, and for files
    return 3 * threads + _OTHER_THREADS


def open_pools(threads: int, services: Services, check_client: Callable[[], None]) -> Pools:
    """Start all threads.

    Args:
        threads: For lists, and as many for files and for queries.
        services: Runs queries.
        check_client: Raises in the context of a call whose client is gone.
    """
    reads = Threads(threads, "pixy-read", check=check_client)
    return Pools(
        queries=services.open_queries(
            threads, reads.run, refusal=ThreadsBusyError, check=check_client
        ),
        reads=reads,
        files=Threads(threads, "pixy-file", check=check_client),
        searches=Threads(SEARCH_THREADS, "pixy-search", WAITING_SEARCHES, check=check_client),
        public_searches=Threads(
            PUBLIC_SEARCH_THREADS, "pixy-public-search", WAITING_SEARCHES, check=check_client
        ),
        writes=Threads(WRITE_THREADS, "pixy-write", WAITING_WRITES),
        passwords=FairThreads(
            Threads(HASHING_THREADS, "pixy-password"),
            HASHING_THREADS,
            WAITING_PASSWORDS,
            check=check_client,
        ),
        thumbnails=Threads(
            THUMBNAIL_THREADS,
            "pixy-thumbnail",
            WAITING_THUMBNAILS,
            patience=THUMBNAIL_PATIENCE,
            refusal=ThumbnailsBusyError,
            check=check_client,
        ),
    )
