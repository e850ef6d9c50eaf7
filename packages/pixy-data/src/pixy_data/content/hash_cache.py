"""The hashes of content that was read before."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

_LIMIT = 4096


class HashCache:
    """The hashes of what was read last, so that a hot file or object is hashed once."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._hashes: OrderedDict[Hashable, str] = OrderedDict()

    def get(self, version: Hashable, compute: Callable[[], str]) -> str:
        """Return the SHA-256 of some content in hexadecimal.

        Args:
            version: What differs if the content does.
            compute: Returns its hash.
        """
        with self._lock:
            if version in self._hashes:
                self._hashes.move_to_end(version)
                return self._hashes[version]
        digest = compute()
        with self._lock:
            self._hashes[version] = digest
            if len(self._hashes) > self._limit:
                self._hashes.popitem(last=False)
        return digest
