"""The members of a request for images, as OpenAI's clients send them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from pixy_core import ImageRequest, InvalidInputError
from pixy_core.violations import explain_violation
from pixy_service import MAX_PARTIALS
from pixy_web.http.known_names import printable
from pixy_web.http.v1.errors import UnknownParameterError
from pixy_web.http.v1.models import Models

MOST_IMAGES = 10
"""Maximum number of images in one request."""

URL_MODELS = "dall-e"
"""Prefix of the models that answer with a URL unless the request says otherwise."""

_PASSED_ON = (
    "prompt",
    "size",
    "quality",
    "background",
    "output_format",
    "output_compression",
    "moderation",
    "visibility",
)
_READ = ("model", "n", "stream", "partial_images", "response_format")
_DROPPED = ("user", "safety_identifier", "style", "seed", "input_fidelity")
"""Accepted and ignored. The provider gets our own hash of the user's name instead of `user` and
`safety_identifier`; gpt-image-2 and newer do not support the others."""

KNOWN = (*_PASSED_ON, *_READ, *_DROPPED)
"""The members of a request for a new image."""

_SIZES = {"256x256": "1024x1024", "512x512": "1024x1024"}
"""Sizes of old models, and the size that is requested instead."""

_QUALITIES = {"standard": "medium", "hd": "high"}
_FLAGS = {"true": True, "false": False}


class Wanted(NamedTuple):
    """What a request asks for.

    Attributes:
        image: The request for each image.
        number: How many, 1 to MOST_IMAGES.
        is_stream: Whether the answer is a stream of events.
        partial_images: Number of partial images in the stream.
        has_url: Whether the answer has URLs instead of the images themselves.
    """

    image: ImageRequest
    number: int
    is_stream: bool
    partial_images: int
    has_url: bool


def read_wanted(members: Mapping[str, Any], models: Models, *, is_lenient: bool) -> Wanted:
    """Return what the members of a request ask for.

    Args:
        members: By name; None is the same as no such member. Forms have only strings.
        models: This server's models.
        is_lenient: Whether unknown members are ignored.

    Raises:
        InvalidInputError: A member breaks a rule, or is not known.
        UnknownModelError: There is no such model.
    """
    given = {name: value for name, value in members.items() if value is not None}
    unknown = next((name for name in given if name not in KNOWN), None)
    if unknown is not None and not is_lenient:
        raise UnknownParameterError((((printable(unknown),), "is not known"),))
    name = _read(given, "model", "", _read_text)
    is_stream = _read(given, "stream", False, _read_flag)
    number = _read(given, "n", 1, _within(1, MOST_IMAGES))
    if is_stream and number > 1:
        raise InvalidInputError(((("n",), "must be 1 with stream"),))
    form = _read(given, "response_format", None, _read_response_format)
    is_url_default = name.startswith(URL_MODELS) and not is_stream
    return Wanted(
        image=_read_image(given, models.resolve(name)),
        number=number,
        is_stream=is_stream,
        partial_images=_read(given, "partial_images", 0, _within(0, MAX_PARTIALS)),
        has_url=form == "url" or (form is None and is_url_default),
    )


def _read_image(given: Mapping[str, Any], model: str | None) -> ImageRequest:
    members = {name: given[name] for name in _PASSED_ON if name in given}
    for name, names in (("size", _SIZES), ("quality", _QUALITIES)):
        value = members.get(name)
        if isinstance(value, str):
            members[name] = names.get(value, value)
    if "output_compression" in members:
        members["output_compression"] = _within(0, 100)(
            "output_compression", members["output_compression"]
        )
    try:
        return ImageRequest.model_validate({**members, "model": model})
    except ValidationError as error:
        raise InvalidInputError(
            tuple(
                (tuple(map(str, problem["loc"])), explain_violation(problem))
                for problem in error.errors(include_url=False, include_input=False)
            )
        ) from None


def _read(
    given: Mapping[str, Any], name: str, default: Any, read: Callable[[str, Any], Any]
) -> Any:
    return read(name, given[name]) if name in given else default


def _read_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInputError((((name,), "must be a string"),))
    return value


def _read_flag(name: str, value: object) -> bool:
    flag = _FLAGS.get(value) if isinstance(value, str) else value
    if not isinstance(flag, bool):
        raise InvalidInputError((((name,), "must be true or false"),))
    return flag


def _read_response_format(name: str, value: object) -> str:
    if value not in ("b64_json", "url"):
        raise InvalidInputError((((name,), "must be b64_json or url"),))
    return str(value)


def _within(least: int, most: int) -> Callable[[str, Any], int]:
    def read(name: str, value: object) -> int:
        is_digits = isinstance(value, str) and value.isascii() and value.isdigit()
        number = int(str(value)) if is_digits and len(str(value)) < 9 else value
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise InvalidInputError((((name,), f"must be a whole number from {least} to {most}"),))
        return number

    return read
