"""The options of a request: which ones a model supports by its name, and what is sent for them."""

import re
from typing import Any

from pixy_core import ImageRequest, InvalidInputError, Moderation
from pixy_core.images import AUTO, Quality
from pixy_service.generators.interface import ImageOrder

_VERSION = re.compile(r"gpt-image-(\d+)(?:\.(\d+))?(?!\d)")
_ANY_SIZE_SINCE = (2, 0)
_MORE_QUALITIES_SINCE = (2, 5)
_OLD_SIZES = (AUTO, "1024x1024", "1536x1024", "1024x1536")
_NEW_QUALITIES = (Quality.XHIGH, Quality.MAX)


def check_options(model: str, request: ImageRequest) -> None:
    """Return if a model supports the options of a request, or if its name has no known version.

    By the documentation of the SDK's `images.generate` and `images.edit`. The provider decides in
    the end: what it refuses is a GeneratorRequestError.

    Raises:
        InvalidInputError: It does not.
    """
    errors = []
    # `images.edit` has no such parameter
    if request.sources and request.moderation == Moderation.LOW:
        errors.append((("moderation",), "must be auto, or left out, for an image with sources"))
    if match := _VERSION.match(model):
        version = int(match[1]), int(match[2] or 0)
        if version < _ANY_SIZE_SINCE and request.size not in _OLD_SIZES:
            errors.append((("size",), "must be one that the model draws"))
        if version < _MORE_QUALITIES_SINCE and request.quality in _NEW_QUALITIES:
            errors.append((("quality",), "must be one that the model knows"))
    if errors:
        raise InvalidInputError(tuple(errors))


def describe_options(order: ImageOrder, model: str, partial_images: int) -> dict[str, Any]:
    """Return the parameters of the request for an order, apart from its prompt, user and files.

    What is left to the model or the provider is not sent.

    Args:
        order: What to make.
        model: The model; it is always named, because the provider's default is shut down.
        partial_images: Number of partial images; without any, no stream is asked for.
    """
    choices = {"size": order.size, "quality": order.quality, "background": order.background}
    if not order.sources:
        choices["moderation"] = order.moderation
    options: dict[str, Any] = {
        name: str(value) for name, value in choices.items() if value not in (None, AUTO)
    }
    options |= {"model": model, "output_format": str(order.output_format)}
    if order.output_compression is not None:
        options["output_compression"] = order.output_compression
    if partial_images:
        options |= {"stream": True, "partial_images": partial_images}
    return options
