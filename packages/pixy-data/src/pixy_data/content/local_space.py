"""The free space of a folder's disk, less what was promised to files that are being written."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pixy_core import StorageUnavailableError
from pixy_data.content.spooled_files import SpooledFile

_logger = logging.getLogger(__name__)


class LocalSpace:
    """Counts the bytes that a file system has not reserved for those who were promised them.

    Args:
        directory: A folder on it.
        reserve: Bytes that stay free.
    """

    def __init__(self, directory: Path, reserve: int) -> None:
        self._directory = directory
        self._reserve = reserve
        self._lock = threading.Lock()
        self._promised = 0

    @contextmanager
    def promise(self, size: int) -> Iterator[None]:
        """Promise some bytes while the block runs.

        Raises:
            StorageUnavailableError: Less than the reserve would stay free.
        """
        with self._lock:
            self._promised += size
        try:
            self._check_free()
            yield
        finally:
            with self._lock:
                self._promised -= size

    def spool(self, make_folder: Callable[[], Path], size: int | None, limit: int) -> SpooledFile:
        """Create a file without a name; see `ContentStore.spool`.

        Args:
            make_folder: Returns its folder, created if it is missing.
            size: The bytes that were announced; None if none were.
            limit: The most bytes that it may have.

        Raises:
            StorageUnavailableError: It can't be created, or less than the reserve would stay free.
        """
        most = limit if size is None else min(size, limit)
        try:
            # bytes that nobody announced are promised, not allocated: mostly fewer come
            file = SpooledFile(make_folder(), 0 if size is None else most, limit)
        except OSError as error:
            _logger.error("no upload can be stored: %s", error)  # noqa: TRY400 - one line is enough
            raise StorageUnavailableError from error
        promise = ExitStack()
        try:
            promise.enter_context(self.promise(0 if file.is_allocated else most))
        except BaseException:
            file.close()
            raise
        file.release_with(promise.close)
        return file

    def _check_free(self) -> None:
        try:
            free = shutil.disk_usage(self._directory).free - self._promised
        except OSError as error:
            raise StorageUnavailableError from error
        if free < self._reserve:
            _logger.error("no image can be stored: less than %d bytes are free", self._reserve)
            raise StorageUnavailableError
