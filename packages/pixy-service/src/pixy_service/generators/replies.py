"""What OpenAI's answers hold: an image in a body, or as the last of some events.

Knows no SDK: exchange.py brings the body and the events. What the bytes have to be stands in
inspection.py.
"""

import base64
import binascii
import logging
import re
from collections.abc import AsyncIterable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixy_core import GenerationUnknownError, GeneratorResponseError
from pixy_service.generators.interface import OnPartial

logger = logging.getLogger(__name__)

_PARTIAL = "image_generation.partial_image"
_COMPLETED = "image_generation.completed"
# how a stream of events begins (HTML standard, section 9.2.5), and no JSON does
_begins_events = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry)?:").match


class _Encoded(BaseModel):
    b64_json: str


class _Body(BaseModel):
    """The part of the body that counts; the SDK's own model accepts any type anywhere."""

    data: list[_Encoded] = Field(min_length=1)


class _Event(BaseModel):
    """The same of an event, partial or the last."""

    model_config = ConfigDict(from_attributes=True)

    b64_json: str


def holds_events(body: bytes) -> bool:
    """Return whether a whole answer is a stream of events, whatever type it has.

    Args:
        body: All of it.
    """
    return _begins_events(body) is not None


def read_body(body: bytes) -> bytes:
    """Return the bytes of the image that a whole answer holds.

    Args:
        body: JSON, if it is what it should be.

    Raises:
        GeneratorResponseError: It holds no image.
    """
    try:
        reply = _Body.model_validate_json(body)
    except ValidationError:
        # not chained: this error quotes what the provider sent
        raise GeneratorResponseError(answer=body) from None
    return _decode(reply.data[0].b64_json)


async def read_events(events: AsyncIterable[object], most: int, on_partial: OnPartial) -> bytes:
    """Return the bytes of the image that a stream of events ends with.

    Args:
        events: As the SDK gives them: of any type.
        most: How many partial images are passed on, whatever the provider sends.
        on_partial: Is given each of them.

    Raises:
        GenerationUnknownError: It ended without one.
        GeneratorResponseError: The one that it ended with is none.
    """
    passed_on = 0
    try:
        async for event in events:
            kind = getattr(event, "type", None)
            if kind == _COMPLETED:
                return _read_event(event)
            if kind == _PARTIAL and passed_on < most:
                passed_on += 1
                _pass_on(event, on_partial)
    except (ValueError, RecursionError) as error:
        # what the SDK raises at an event that is no JSON; it holds the event
        logger.warning("the provider sent an event that can't be read: %s", type(error).__name__)
        raise GenerationUnknownError from None
    logger.warning("the provider's events ended without an image")
    raise GenerationUnknownError


def _pass_on(event: object, on_partial: OnPartial) -> None:
    try:
        content = _read_event(event)
    except GeneratorResponseError:
        logger.warning("the provider sent a partial image that is none")
    else:
        on_partial(content)


def _read_event(event: object) -> bytes:
    try:
        read = _Event.model_validate(event)
    except ValidationError:
        raise GeneratorResponseError from None
    return _decode(read.b64_json)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise GeneratorResponseError from None
