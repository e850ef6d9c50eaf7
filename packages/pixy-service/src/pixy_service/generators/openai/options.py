"""The sizes and qualities that OpenAI's image models support, by model name.

From the documentation of the SDK's `images.generate`. The provider decides in the end: what it
refuses is a GeneratorRequestError.
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
    """Return if a model supports a size and quality, or if its name has no known version.

    Raises:
        InvalidInputError: It does not.
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
