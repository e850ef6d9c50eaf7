"""The thread pools of an application: one for each kind of work, each with a limit.

Work waits only for work of its own kind: a slow search, a lock or a slow disk stops neither
details nor lists.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pixy_web.threads.fair_threads import FairThreads
from pixy_web.threads.threads import Threads, ThumbnailsBusyError, UploadsBusyError

SEARCH_THREADS = 4
"""A search of a large collection keeps a core of the database busy for seconds."""

PUBLIC_SEARCH_THREADS = 2
WAITING_SEARCHES = 32

WRITE_THREADS = 4
"""A write may wait two seconds for a locked row, four times in succession."""

WAITING_WRITES = 64

DELETION_THREADS = 2
"""They wait for the content store, which may hang while the database answers."""

HASHING_THREADS = 2
"""An argon2id hash keeps a core busy for 20 ms; more threads would slow the reads."""

WAITING_PASSWORDS = 64
"""At 20 ms a hash and two threads, the last of them waits for less than a second."""

THUMBNAIL_THREADS = 2
"""A thumbnail keeps a core busy, and takes up to 600 MB for an original of 8192 x 8192 pixels."""

WAITING_THUMBNAILS = 256
"""A page of the gallery asks for some dozens; at 50 ms each the last waits for six seconds."""

THUMBNAIL_PATIENCE = 30.0
"""Seconds that a thumbnail may wait to be made."""

UPLOAD_THREADS = 4
"""They write what arrives, and keep files that have arrived. One file at a time is decoded."""

UPLOAD_PATIENCE = 60.0
"""Seconds that a part of an upload may wait to be written: the client waits meanwhile."""

_OTHER_THREADS = (
    SEARCH_THREADS
    + PUBLIC_SEARCH_THREADS
    + WRITE_THREADS
    + DELETION_THREADS
    + HASHING_THREADS
    + THUMBNAIL_THREADS
    + UPLOAD_THREADS
)


@dataclass(frozen=True)
class Pools:
    """The thread pools.

    Attributes:
        reads: Lists, and queries that would block the event loop.
        files: Opening and reading files.
        searches: Filtered lists for users.
        public_searches: Filtered lists without credentials.
        writes: Changes of rows.
        deletions: Deletions of images: rows and files.
        passwords: Hashing; client addresses take turns.
        thumbnails: Making thumbnails.
        uploads: Writing, checking and keeping uploads.
    """

    reads: Threads
    files: Threads
    searches: Threads
    public_searches: Threads
    writes: Threads
    deletions: Threads
    passwords: FairThreads
    thumbnails: Threads
    uploads: Threads

    async def close(self) -> None:
        """Wait for all calls, then end the threads."""
        for threads in vars(self).values():
            await asyncio.to_thread(threads.close)


def count_database_calls(threads: int) -> int:
    """Return how many calls may need a database connection at once; `threads` as `open_pools`."""
    # on the event loop, for lists, and for files
    return 3 * threads + _OTHER_THREADS


def open_pools(threads: int, check: Callable[[], None]) -> Pools:
    """Start all threads.

    Args:
        threads: Number of threads for lists, and as many for files.
        check: Called before a call that had to wait runs, unless it writes; it may raise.
    """
    checked = partial(Threads, check=check)
    return Pools(
        reads=checked(threads, "pixy-read"),
        files=checked(threads, "pixy-file"),
        searches=checked(SEARCH_THREADS, "pixy-search", WAITING_SEARCHES),
        public_searches=checked(PUBLIC_SEARCH_THREADS, "pixy-public-search", WAITING_SEARCHES),
        writes=Threads(WRITE_THREADS, "pixy-write", WAITING_WRITES),
        deletions=Threads(DELETION_THREADS, "pixy-deletion", WAITING_WRITES),
        passwords=FairThreads(
            Threads(HASHING_THREADS, "pixy-password"),
            HASHING_THREADS,
            WAITING_PASSWORDS,
            check=check,
        ),
        thumbnails=checked(
            THUMBNAIL_THREADS,
            "pixy-thumbnail",
            WAITING_THUMBNAILS,
            patience=THUMBNAIL_PATIENCE,
            refusal=ThumbnailsBusyError,
        ),
        uploads=Threads(
            UPLOAD_THREADS, "pixy-upload", patience=UPLOAD_PATIENCE, refusal=UploadsBusyError
        ),
    )
