"""The hashes of files that were read lately, so that a hot file is hashed once."""

import hashlib
import os
import threading
from collections import OrderedDict


class HashMemory:
    """The hashes of the files that were read last.

    Args:
        limit: Files.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hashes: OrderedDict[tuple[int, ...], str] = OrderedDict()

    def find(self, status: os.stat_result, content: bytes) -> str:
        """Return the SHA-256 of a file in hexadecimal.

        Args:
            status: The file's, as it was while its content was read.
            content: All of it.

        Raises:
            Nothing.
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
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            self._hashes[key] = digest
            if len(self._hashes) > self._limit:
                self._hashes.popitem(last=False)
        return digest
