"""The slots for generations: how many run at once, and that they end before the process does."""

import contextvars
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from pixy_core import GenerationBusyError, ServiceClosedError
from pixy_service.creation.observer import telling

T = TypeVar("T")

logger = logging.getLogger(__name__)


class GenerationExecutor:
    """Runs up to `concurrency` generations, each in its own thread, and refuses more.

    A generation takes seconds to minutes, so the cost of starting a thread does not matter.

    Args:
        concurrency: Number of slots, at least 1.
        note_running: Called with the number of slots that are taken, when it changes.
    """

    def __init__(
        self, concurrency: int, note_running: Callable[[int], object] = lambda _: None
    ) -> None:
        self._concurrency = concurrency
        self._note_running = note_running
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Start `work` with the caller's context variables, and return at once.

        Returns:
            The future result, which can't be cancelled; the work runs to its end.

        Raises:
            ServiceClosedError: `close` has been called.
            GenerationBusyError: All slots are taken, or no thread can be started.
        """
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._run, work, future), name="pixy-generation"
        )
        self._take_slot()
        try:
            thread.start()
        except RuntimeError as error:
            self._release_slot()
            raise GenerationBusyError from error
        return future

    def close(self) -> None:
        """Refuse new work, and wait for what runs; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._running == 0)

    def _take_slot(self) -> None:
        with self._changed:
            if self._closed:
                raise ServiceClosedError
            if self._running >= self._concurrency:
                raise GenerationBusyError
            self._running += 1
            self._tell()

    def _release_slot(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()
            self._tell()

    def _tell(self) -> None:
        with telling():
            self._note_running(self._running)

    def _run(self, work: Callable[[], T], future: Future[T]) -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - the future raises it
            # the slot is free before anyone learns of the end and asks for it
            self._release_slot()
            future.set_exception(error)
        else:
            self._release_slot()
            future.set_result(result)
