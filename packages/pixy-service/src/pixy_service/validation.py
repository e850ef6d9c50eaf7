"""Revalidation of whatever enters the service layer, by the rules of the models.

A broken rule becomes an InvalidInputError whose reasons never repeat a value. The rules
themselves stand in pixy_core, but for a page's size, which is this layer's own.
"""

from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from pixy_core import (
    ClassKey,
    Guid,
    ImageFilter,
    ImageRequest,
    InvalidInputError,
    Username,
    Visibility,
)
from pixy_core.images import MAX_PROMPT_LENGTH
from pixy_core.users import MAX_NAME_LENGTH
from pixy_core.violations import explain_violation
from pixy_service.pixels.shrinking import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS

MAX_PAGE_SIZE = 200
"""Images on one page of a list."""

IDEMPOTENCY_KEY_PATTERN = "^[!-~]([ -~]*[!-~])?$"
"""Printable ASCII; HTTP drops spaces at the ends of a field's value."""

T = TypeVar("T")


class Limits(NamedTuple):
    """Maximum lengths of caller input. Applications may lower them, and raise that of passwords.

    Attributes:
        prompt_length: Characters of the prompt of a new image.
        username_length: Characters of a user name.
        password_length: Bytes of a password in UTF-8.
    """

    prompt_length: int = MAX_PROMPT_LENGTH
    username_length: int = MAX_NAME_LENGTH
    password_length: int = 1024


DEFAULT_LIMITS = Limits()

_GUID: TypeAdapter[str] = TypeAdapter(Guid)
_LIMIT: TypeAdapter[int] = TypeAdapter(Annotated[StrictInt, Field(ge=1, le=MAX_PAGE_SIZE)])
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)
_CLASS_KEY: TypeAdapter[str] = TypeAdapter(ClassKey)
_VISIBILITY: TypeAdapter[Visibility] = TypeAdapter(Visibility)
_IDEMPOTENCY_KEY: TypeAdapter[str] = TypeAdapter(
    Annotated[StrictStr, Field(max_length=255, pattern=IDEMPOTENCY_KEY_PATTERN)]
)
_CREATE: TypeAdapter[ImageRequest] = TypeAdapter(ImageRequest)
_FILTER: TypeAdapter[ImageFilter] = TypeAdapter(ImageFilter)


def validate_guid(guid: object) -> str:
    """Return `guid` when it is a canonical lower-case UUID.

    Raises:
        InvalidInputError: It is anything else.
    """
    return _validate(_GUID, guid, "guid")


def validate_filter(match: object) -> ImageFilter:
    """Return a freshly validated copy of what a list is narrowed to.

    Raises:
        InvalidInputError: A field is unknown or breaks its rule.
    """
    dumped = match.model_dump(warnings=False) if isinstance(match, BaseModel) else match
    return _validate(_FILTER, dumped)


def validate_limit(limit: object) -> int:
    """Return `limit` when it is a whole number from 1 to MAX_PAGE_SIZE.

    Raises:
        InvalidInputError: It is anything else.
    """
    return _validate(_LIMIT, limit, "limit")


def validate_thumbnail(width: object, media_type: object) -> None:
    """Return if thumbnails of this width and media type are made.

    Raises:
        InvalidInputError: There are none such.
    """
    if width not in THUMBNAIL_WIDTHS:
        widths = ", ".join(map(str, THUMBNAIL_WIDTHS))
        raise InvalidInputError(((("width",), f"must be one of {widths}"),))
    if media_type not in THUMBNAIL_TYPES:
        raise InvalidInputError(((("media_type",), "is none of a thumbnail"),))


def validate_username(username: object, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return the NFC form of a user name.

    Args:
        username: The name.
        max_length: Characters that it may have.

    Raises:
        InvalidInputError: No user can have this name.
    """
    name = _validate(_USERNAME, username, "username")
    _check_length(name, max_length, "username")
    return name


def validate_class_key(class_key: object) -> str:
    """Return the NFC form of a class key.

    Raises:
        InvalidInputError: No class can have this key.
    """
    return _validate(_CLASS_KEY, class_key, "class_key")


def validate_visibility(visibility: object) -> Visibility:
    """Return `visibility` as the enumeration's member.

    Raises:
        InvalidInputError: There is no such visibility.
    """
    return _validate(_VISIBILITY, visibility, "visibility")


def validate_idempotency_key(key: object) -> str:
    """Return `key` when it is 1 to 255 printable ASCII characters, a space at neither end.

    Raises:
        InvalidInputError: It is anything else.
    """
    return _validate(_IDEMPOTENCY_KEY, key, "Idempotency-Key")


def validate_create(image: object, max_prompt_length: int = MAX_PROMPT_LENGTH) -> ImageRequest:
    """Return a freshly validated copy of what a caller asks for.

    An instance is taken apart first: `model_construct` and `model_copy` make some that no
    validator has seen.

    Args:
        image: What is asked for.
        max_prompt_length: Characters that its prompt may have.

    Raises:
        InvalidInputError: A field is missing, unknown or breaks its rule.
    """
    # a field of a wrong type warns while it is dumped, and is refused just below
    dumped = image.model_dump(warnings=False) if isinstance(image, BaseModel) else image
    request = _validate(_CREATE, dumped)
    _check_length(request.prompt, max_prompt_length, "prompt")
    return request


def _check_length(text: str, most: int, location: str) -> None:
    if len(text) > most:
        raise InvalidInputError((((location,), f"must have at most {most} characters"),))


def _validate(adapter: TypeAdapter[T], value: object, *location: str) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        found: list[Any] = error.errors(include_url=False, include_input=False)
    raise InvalidInputError(
        tuple(
            (location + tuple(str(part) for part in detail["loc"]), explain_violation(detail))
            for detail in found
        )
    )
