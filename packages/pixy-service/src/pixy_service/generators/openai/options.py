"""Which sizes and qualities OpenAI's image models know, told by the models' names.

From the documentation of the SDK's `images.generate`. The provider has the last word: what it
refuses all the same is a GeneratorRequestError.
"""

import re

from pixy_core import InvalidInputError
from pixy_core.images import AUTO, Quality

_VERSION = re.compile(r"gpt-image-(\d+)(?:\.(\d+))?(?!\d)")
_ANY_SIZE_SINCE = (2, 0)
_MORE_QUALITIES_SINCE = (2, 5)
_OLD_SIZES = (AUTO, "1024x1024", "1536x1024", "1024x1536")
_NEW_QUALITIES = (Quality.XHIGH, Quality.MAX)


def check_options(model: str, size: str, quality: str) -> None:
    """Return if a model can draw so; of one whose name tells no version, the provider will tell.

    Args:
        model: Its name, such as `gpt-image-2.6-flare`.
        size: `auto`, or width and height.
        quality: One of `Quality`.

    Raises:
        InvalidInputError: It can't.
    """
    match = _VERSION.match(model)
    if match is None:
        return
    version = int(match[1]), int(match[2] or 0)
    errors = []
    if version < _ANY_SIZE_SINCE and size not in _OLD_SIZES:
        errors.append((("size",), "must be one that this server's model draws"))
    if version < _MORE_QUALITIES_SINCE and quality in _NEW_QUALITIES:
        errors.append((("quality",), "must be one that this server's model knows"))
    if errors:
        raise InvalidInputError(tuple(errors))
