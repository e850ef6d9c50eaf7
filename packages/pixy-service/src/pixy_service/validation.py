"""Checks every argument of the services by the rules of the models.

A broken rule becomes an InvalidInputError, which never contains the value. The rules are in
pixy_core; this module has those of pages, thumbnails and idempotency keys.
"""

from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from pixy_core import (
    ApiKeyCreate,
    ClassKey,
    Guid,
    ImageFilter,
    ImageRequest,
    InvalidInputError,
    KeyId,
    Username,
    Visibility,
)
from pixy_core.images import MAX_PROMPT_LENGTH
from pixy_core.users import MAX_NAME_LENGTH
from pixy_core.violations import explain_violation
from pixy_service.pixels.shrinking import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS
from pixy_service.pixels.uploads import MAX_PIXELS

MAX_UPLOAD_SIZE = 50 * 1024 * 1024
"""Bytes; the limit of OpenAI's image edits."""

MAX_PAGE_SIZE = 200
"""Maximum number of images on a page of a list."""

IDEMPOTENCY_KEY_PATTERN = "^[!-~]([ -~]*[!-~])?$"
"""Printable ASCII without a space at either end, because HTTP drops those."""

T = TypeVar("T")


class Limits(NamedTuple):
    """Maximum sizes of caller input. Applications may lower them, and raise that of passwords.

    Attributes:
        prompt_length: Characters of the prompt of a new image.
        username_length: Characters of a user name.
        password_length: Bytes of a password in UTF-8.
        upload_size: Bytes of an uploaded file.
        upload_pixels: Pixels of an uploaded image.
    """

    prompt_length: int = MAX_PROMPT_LENGTH
    username_length: int = MAX_NAME_LENGTH
    password_length: int = 1024
    upload_size: int = MAX_UPLOAD_SIZE
    upload_pixels: int = MAX_PIXELS


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
_KEY_ID: TypeAdapter[str] = TypeAdapter(KeyId)
_KEY_CREATE: TypeAdapter[ApiKeyCreate] = TypeAdapter(ApiKeyCreate)
_FILTER: TypeAdapter[ImageFilter] = TypeAdapter(ImageFilter)


def validate_guid(guid: object) -> str:
    """Return a guid, or raise InvalidInputError if it is not a canonical lower-case UUID."""
    return _validate(_GUID, guid, "guid")


def validate_filter(match: object) -> ImageFilter:
    """Return a validated copy of a filter, or raise InvalidInputError."""
    dumped = match.model_dump(warnings=False) if isinstance(match, BaseModel) else match
    return _validate(_FILTER, dumped)


def validate_limit(limit: object) -> int:
    """Return a limit, or raise InvalidInputError if it is not an int from 1 to MAX_PAGE_SIZE."""
    return _validate(_LIMIT, limit, "limit")


def validate_thumbnail(width: object, media_type: object) -> None:
    """Raise InvalidInputError if no thumbnails of this width and media type are made."""
    if width not in THUMBNAIL_WIDTHS:
        widths = ", ".join(map(str, THUMBNAIL_WIDTHS))
        raise InvalidInputError(((("width",), f"must be one of {widths}"),))
    if media_type not in THUMBNAIL_TYPES:
        raise InvalidInputError(((("media_type",), "must be a media type of thumbnails"),))


def validate_username(username: object, max_length: int = MAX_NAME_LENGTH) -> str:
    """Return a user name in NFC, or raise InvalidInputError if it is not valid."""
    name = _validate(_USERNAME, username, "username")
    _check_length(name, max_length, "username")
    return name


def validate_class_key(class_key: object) -> str:
    """Return a class key in NFC, or raise InvalidInputError if it is not valid."""
    return _validate(_CLASS_KEY, class_key, "class_key")


def validate_visibility(visibility: object) -> Visibility:
    """Return a visibility as a member of its enumeration, or raise InvalidInputError."""
    return _validate(_VISIBILITY, visibility, "visibility")


def validate_idempotency_key(key: object) -> str:
    """Return an idempotency key, or raise InvalidInputError.

    It has 1 to 255 printable ASCII characters, and no space at either end.
    """
    return _validate(_IDEMPOTENCY_KEY, key, "Idempotency-Key")


def validate_key_id(key_id: object) -> str:
    """Return the id of an API key, or raise InvalidInputError if no key can have it."""
    return _validate(_KEY_ID, key_id, "id")


def validate_key_create(key: object) -> ApiKeyCreate:
    """Return a validated request for an API key, or raise InvalidInputError."""
    return _validate(_KEY_CREATE, key)


def validate_create(image: object, max_prompt_length: int = MAX_PROMPT_LENGTH) -> ImageRequest:
    """Return a validated copy of a request for an image, or raise InvalidInputError.

    A model is dumped and validated again, since `model_construct` and `model_copy` skip validation.
    """
    # a field of a wrong type would warn here; validation refuses it
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
