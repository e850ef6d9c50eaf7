"""Decoding of paid images on a machine that is short of memory or descriptors.

The provider is at fault only if bytes don't decode with enough of both.
"""

import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pixy_core import ImageNotStoredError

T = TypeVar("T")

logger = logging.getLogger(__name__)

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of this machine, not of what it reads."""

_PAUSE = 0.5
_turn = threading.Lock()


def decode_in_turn(
    decode: Callable[[], T], deadline: float, content: bytes | bytearray | None = None
) -> T:
    """Decode a paid image: one at a time, and again while the machine lacks resources.

    Args:
        decode: Decodes it; MemoryError, or an OSError of SHORTAGES, is the machine's fault.
        deadline: By the monotonic clock; the first try is made in any case.
        content: The bytes, for the error.

    Raises:
        GeneratorResponseError: It is not an image.
        ImageNotStoredError: The machine lacked resources until the deadline.
    """
    is_first = True
    while True:
        try:
            with _turn:
                return decode()
        except (MemoryError, OSError) as error:
            if time.monotonic() + _PAUSE > deadline:
                raise ImageNotStoredError(answer=content) from error
            if is_first:
                logger.error("an image can't be decoded yet, trying again: %r", error)  # noqa: TRY400
            is_first = False
        time.sleep(_PAUSE)


def require_memory(size: int) -> None:
    """Return if this many bytes of memory could be allocated now.

    Raises:
        MemoryError: They could not.
    """
    # the system gives pages only when they are touched
    bytearray(size)
