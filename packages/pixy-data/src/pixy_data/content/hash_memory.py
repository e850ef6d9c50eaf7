"""The hashes of files that were read lately, so that a hot file is hashed once."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable


class HashMemory:
    """The hashes of the files that were read last.

    Args:
        limit: Files.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hashes: OrderedDict[tuple[int, ...], str] = OrderedDict()

    def find(self, status: os.stat_result, compute: Callable[[], str]) -> str:
        """Return the SHA-256 of a file in hexadecimal.

        Args:
            status: The file's, as it is now.
            compute: Reads it and returns its hash.

        Raises:
            Exception: Whatever `compute` raises.
        """
        key = (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            # utime sets the time of change of the content, but not of the inode
            status.st_ctime_ns,
        )
        with self._lock:
            if key in self._hashes:
                self._hashes.move_to_end(key)
                return self._hashes[key]
        digest = compute()
        with self._lock:
            self._hashes[key] = digest
            if len(self._hashes) > self._limit:
                self._hashes.popitem(last=False)
        return digest
