"""Finds the image in an answer of the provider, or the reason why there is none.

An answer with status 200 may have been paid for. So labels are not trusted, any image that can be
decoded is accepted however it is wrapped, and an error carries the bytes that could not be read.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pixy_core import GenerationError, GenerationUnknownError, GeneratorResponseError
from pixy_service.generators.interface import OnPartial
from pixy_service.generators.openai.formats import (
    Event,
    EventReader,
    begins_image,
    decode_base64,
    decode_text,
)
from pixy_service.generators.openai.messages import Kind, Message, read_messages
from pixy_service.generators.openai.refusals import ProviderError, explain_late_refusal
from pixy_service.generators.openai.reports import Report, read_report
from pixy_service.pixels.inspection import (
    ImageProperties,
    inspect_image,
    require_memory,
    skip_to_image,
)

logger = logging.getLogger(__name__)

_LINK_MESSAGE = "The provider sent a link instead of an image, and links are not followed"
# a byte-order mark of UTF-8 among it
_blank = re.compile(rb"[\s\xef\xbb\xbf]*")
# NUL, FE and FF begin UTF-16 and UTF-32
_JSON_BEGINNINGS = b'{["\0\xfe\xff'


class Picture(NamedTuple):
    """An image of an answer: its bytes, what they are, and what the provider reports about it."""

    content: bytes
    properties: ImageProperties
    report: Report


class Answer:
    """One answer, from its first byte to its last.

    Args:
        most: Maximum number of partial images to pass on; 0 if none was asked for.
        on_partial: Called with each of them.

    Attributes:
        received: The bytes so far.
        request_id: The provider's own id of the request.
        is_complete: Whether the rest can be ignored.
    """

    def __init__(self, most: int, on_partial: OnPartial) -> None:
        self.request_id: str | None = None
        self.is_complete = False
        self._partials_left = most
        self._has_asked_for_partials = most > 0
        self._on_partial = on_partial
        self.received = bytearray()
        self._is_read = self._is_postponed = False
        self._blank = 0
        self._events: EventReader | None = None
        self._is_json = self._has_events = False
        self._completed: list[str] = []
        self._others: list[str] = []
        self._report: dict[str, Any] = {}
        self._error: ProviderError | None = None
        self._is_drawn = self._is_completed = self._has_link = False

    def feed(self, content: bytes) -> None:
        """Take the next bytes, and pass on the partial images in them.

        Raises:
            MemoryError: The bytes were not taken; they may be fed again.
        """
        self.received += content
        if self._is_postponed:
            return
        try:
            if self._events is None and not self._is_json:
                self._choose_reader()
            if self._events is not None:
                self._take_events(self._events.read())
        except MemoryError:
            self._postpone()

    def conclude(self, failure: GenerationError | None) -> Picture:
        """Return the image of what has arrived. After a lack of memory it may be called again.

        Args:
            failure: Why the answer is incomplete, or None.

        Raises:
            GenerationError: There is no image: `failure`, unless the answer says why.
            MemoryError: There is not enough memory to tell.
            OSError: There are not enough descriptors, or not enough memory, to tell.
        """
        # what is over the limit is no image, and would take several times its length to read
        if not (self._is_read or isinstance(failure, GeneratorResponseError)):
            # for its text, and the bytes in it
            require_memory(2 * len(self.received))
            try:
                self._read_rest()
            except MemoryError:
                self._postpone()
                raise
            self._is_read = True
        for content in self._decode_images(is_cut=failure is not None):
            try:
                properties = inspect_image(content)
            except GeneratorResponseError:
                continue
            return Picture(content, properties, read_report(self._report))
        raise self._explain(failure)

    def _postpone(self) -> None:
        """Read everything again at the end, because reading was interrupted."""
        self._is_postponed = True
        self._completed, self._others = [], []
        if self._events is not None:
            self._events = EventReader(self.received)

    def _choose_reader(self) -> None:
        """Tell events from JSON by the first byte that is not blank; labels are often wrong."""
        if match := _blank.match(self.received, self._blank):
            self._blank = match.end()
        if self._blank < len(self.received):
            self._is_json = self.received[self._blank] in _JSON_BEGINNINGS
            self._events = None if self._is_json else EventReader(self.received)

    def _take_events(self, events: Iterator[Event]) -> None:
        for event in events:
            self._has_events = True
            if event.data.strip() == "[DONE]":
                self.is_complete = True
                continue
            for message in read_messages(event.data, event.name):
                self._take_message(message)

    def _take_message(self, message: Message) -> None:
        self._error = self._error or message.error
        self._has_link |= message.has_link
        if message.kind == Kind.PARTIAL:
            self._is_drawn = True
            self._pass_on(message)
            return
        self._report.update(message.report)
        if message.kind == Kind.COMPLETED:
            self._completed += message.images
            # more may follow one that is empty or no image
            self.is_complete |= any(map(begins_image, message.images))
            self._is_completed |= message.is_parsed
        elif message.images:
            # only the last of those that don't say what they are can be the finished one
            self._others = message.images

    def _pass_on(self, message: Message) -> None:
        if self._partials_left and message.images:
            self._partials_left -= 1
            try:
                self._on_partial(decode_base64(message.images[0]))
            except Exception as error:  # noqa: BLE001 - the finished image is still to come
                logger.warning("a partial image can't be shown: %r", error)

    def _read_rest(self) -> None:
        if self._events is not None:
            self._take_events(self._events.read_rest())
        if not self._has_events:
            for message in read_messages(decode_text(self.received)):
                self._take_message(message)

    def _decode_images(self, *, is_cut: bool) -> Iterator[bytes]:
        """Yield candidates for the finished image, the likeliest first."""
        # cut off before it said so, an event may be about a partial image
        if is_cut and self._has_events and self._has_asked_for_partials:
            self._others = []
        for images in (self._completed, self._others):
            while images:
                yield skip_to_image(decode_base64(images[0]))
                # only one that is no image is taken away
                images.pop(0)
        # a body that is the image itself, or has it as one of its parts
        yield skip_to_image(self.received)

    def _explain(self, failure: GenerationError | None) -> GenerationError:
        answer = bytes(self.received) or None
        if self._error is not None:
            return explain_late_refusal(
                self._error, self.request_id, answer, is_drawn=self._is_drawn
            )
        if failure is not None:
            failure.answer = failure.answer or answer
            return failure
        if self._has_events and not self._is_completed and not self._has_link:
            logger.warning("the provider's events ended without an image")
            return GenerationUnknownError(upstream_request_id=self.request_id, answer=answer)
        return GeneratorResponseError(
            upstream_request_id=self.request_id,
            answer=answer,
            message=_LINK_MESSAGE if self._has_link else None,
        )
