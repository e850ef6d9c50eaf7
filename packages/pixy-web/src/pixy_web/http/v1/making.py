"""The images of one request: each is made, taken over from an earlier attempt, or fails.

All go through the same `PrivateImageService` as `POST /image`. They go on when the client leaves.
"""

import asyncio
import contextvars
import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from pixy_core import (
    DatabaseBusyError,
    DBConnectionError,
    DetailedImage,
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    IdempotencyKeyInUseError,
    Image,
    ImageDeletedError,
    PixyProxyException,
    RecordNotFoundError,
    RequestAbandonedError,
)
from pixy_service import Attempt, ContentFile, Created, Submission
from pixy_service.validation import validate_idempotency_key
from pixy_web.http.creations import read_idempotency_key
from pixy_web.http.v1.callers import Caller, is_retry
from pixy_web.http.v1.requests import Wanted
from pixy_web.runtime import get_runtime
from pixy_web.threads.threads import Threads

T = TypeVar("T")

logger = logging.getLogger(__name__)

OnPartial = Callable[[bytes], object]
Outcome = DetailedImage | PixyProxyException

LOOKS = 0.5
"""Seconds between two looks at a creation that another request or process makes."""

_GRACE = 90.0
"""Seconds beyond a generation after which recovery has judged the creation of a dead process."""


class Making:
    """The images of one request.

    Args:
        request: Its body has been read.
        caller: Who asks.
        wanted: What is asked for.
        on_partial: Called in another thread with the bytes of each partial image.

    Attributes:
        attempts: One for each image.
    """

    def __init__(
        self,
        request: Request,
        caller: Caller,
        wanted: Wanted,
        on_partial: OnPartial | None = None,
    ) -> None:
        self._request = request
        self._runtime = get_runtime(request)
        self._images = caller.images
        self._wanted = wanted
        self._key = _read_key(request)
        self._record = request.scope["state"]["request_record"]
        self._asked = asyncio.Event()
        self._deadline = time.monotonic() + self._runtime.v1.generation_timeout + _GRACE
        self.attempts = [
            self._open_attempt(caller.key_id, index, on_partial) for index in range(wanted.number)
        ]

    def _open_attempt(self, key_id: str, index: int, on_partial: OnPartial | None) -> Attempt:
        attempt = Attempt(
            key_id,
            is_retry=is_retry(self._request),
            index=index,
            count=self._wanted.number,
            has_left=lambda: self.has_left,
        )
        if on_partial is not None:
            attempt.on_partial = on_partial
            attempt.partial_images = self._wanted.partial_images
        return attempt

    @property
    def has_left(self) -> bool:
        """Whether the client is gone."""
        return bool(self._record.is_abandoned)

    async def wait_until_asked(self) -> None:
        """Return when the provider is asked for an image, or an earlier request makes it."""
        await self._asked.wait()

    async def run(self) -> list[Outcome]:
        """Return what became of each image, in order.

        Raises:
            ClientDisconnect: The client has left; its images are for its retry.
        """
        work = asyncio.create_task(self._make_all())
        watch = asyncio.create_task(wait_until_client_leaves(self._request))
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
            if not work.done() or self.has_left:
                await self.release()
                raise ClientDisconnect
            return work.result()
        finally:
            watch.cancel()
            work.cancel()

    async def _refuse_other_request(self) -> None:
        """Return if the key is new, or is that of the same request, before anything is bought.

        Raises:
            IdempotencyKeyReusedError: It belongs to another request.
        """
        if self._key is not None and len(self.attempts) > 1:
            with suppress(GenerationError, IdempotencyKeyInUseError, ImageDeletedError):
                await self._find_earlier(self.attempts[0])

    def open_content(self, image: Image) -> ContentFile:
        """Return the open file of an image, for the caller to close."""
        file, _ = self._images.open_content(image, range(0))
        return file

    async def note_delivery(self) -> None:
        """Note that the client has the whole answer."""
        await self._note(self._images.note_delivery)

    async def release(self) -> None:
        """Note that the client has left before the end of the answer."""
        await self._note(self._images.release)

    async def _note(self, note: Callable[[Attempt], None]) -> None:
        writes = self._runtime.pools.writes
        for attempt in self.attempts:
            if attempt.guid is None:
                continue
            try:
                await run_for_lost_client(writes, note, attempt)
            except PixyProxyException as error:
                # at worst a retry gets an image that its client has
                logger.warning("the delivery of %s is not noted: %s", attempt.guid, error)

    async def _make_all(self) -> list[Outcome]:
        try:
            await self._refuse_other_request()
        except PixyProxyException as error:
            return [error]
        return await asyncio.gather(*map(self._try_to_make, self.attempts))

    async def _try_to_make(self, attempt: Attempt) -> Outcome:
        try:
            return await self._make(attempt)
        except PixyProxyException as error:
            return error

    async def _make(self, attempt: Attempt) -> DetailedImage:
        while True:
            found = await self._find_earlier(attempt)
            if found is None:
                key = self._name(attempt)
                submission = self._images.submit_image(self._wanted.image, key, attempt)
                found = await self._wait(submission)
            if isinstance(found.image, DetailedImage):
                return found.image
            try:
                return await self._follow(attempt, found.image.guid)
            except RecordNotFoundError:
                # its process died before it asked the provider
                continue

    async def _find_earlier(self, attempt: Attempt) -> Created | None:
        """Return what an earlier request made or makes, which needs no slot."""
        key = self._name(attempt)
        if key is None and not attempt.is_retry:
            return None
        find = self._images.find_replay
        return await self._runtime.pools.writes.run(find, self._wanted.image, key, attempt)

    async def _wait(self, submission: Submission) -> Created:
        loop = asyncio.get_running_loop()
        submission.asked.add_done_callback(lambda _: _call(loop, self._asked.set))
        try:
            return await asyncio.wrap_future(submission.created)
        except (GenerationError, ImageDeletedError, RequestAbandonedError):
            raise
        except PixyProxyException as error:
            if not submission.asked.done():
                raise
            # the provider was asked: nothing may make the client send the request again
            logger.exception("the outcome of a request is unknown")
            raise GenerationUnknownError from error

    async def _follow(self, attempt: Attempt, guid: str) -> DetailedImage:
        attempt.guid = guid
        self._asked.set()
        while time.monotonic() < self._deadline:
            try:
                found = await self._runtime.query(self._images.follow, attempt)
            except (DBConnectionError, DatabaseBusyError):
                found = None
            if found is not None and isinstance(found.image, DetailedImage):
                return found.image
            await asyncio.sleep(LOOKS)
        raise GenerationTimeoutError

    def _name(self, attempt: Attempt) -> str | None:
        """Return the idempotency key of one image: of several, the first has the request's own."""
        if self._key is None or attempt.index == 0:
            return self._key
        digest = hashlib.sha256(self._key.encode()).hexdigest()
        return f"{digest} {attempt.index}"


def _read_key(request: Request) -> str | None:
    key = read_idempotency_key(request)
    return None if key is None else validate_idempotency_key(key)


async def run_for_lost_client(threads: Threads, function: Callable[..., T], *given: object) -> T:
    """Run a function also if the client has left, for whose calls threads do nothing else."""
    # they know the client by the request's context
    return await asyncio.get_running_loop().create_task(
        threads.run(function, *given), context=contextvars.Context()
    )


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    # the loop is closed if the server was stopped by force
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function)


async def wait_until_client_leaves(request: Request) -> None:
    """Return when the client's connection is closed."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
