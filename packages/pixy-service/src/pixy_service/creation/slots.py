"""The places in which images are made: how many run at once, and that they end before the process.

What is done in such a place stands in creation.py.
"""

import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pixy_core import GenerationBusyError, ServiceClosedError

T = TypeVar("T")

logger = logging.getLogger(__name__)


class GenerationExecutor:
    """Runs up to `concurrency` generations, each in a thread of its own, and refuses more at once.

    A generation takes seconds to minutes, so starting its thread costs nothing that counts.

    Args:
        concurrency: Places; at least 1.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Start `work` with the caller's context variables, and return at once.

        Args:
            work: Runs to its end whatever becomes of the future.

        Returns:
            Its result or exception to come; it can't be cancelled.

        Raises:
            ServiceClosedError: `close` has been called.
            GenerationBusyError: All places are taken, or the machine gives no more threads.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._run, work, future), name="pixy-generation"
        )
        self._take_place()
        try:
            thread.start()
        except RuntimeError as error:
            self._leave_place()
            raise GenerationBusyError from error
        return future

    def close(self) -> None:
        """Refuse new work, and wait for what runs; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._running == 0)

    def _take_place(self) -> None:
        with self._changed:
            if self._closed:
                raise ServiceClosedError
            if self._running >= self._concurrency:
                raise GenerationBusyError
            self._running += 1

    def _leave_place(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _run(self, work: Callable[[], T], future: Future[T]) -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - the future raises it
            # the place is free before anyone learns of the end and asks for it again
            self._leave_place()
            future.set_exception(error)
        else:
            self._leave_place()
            future.set_result(result)
