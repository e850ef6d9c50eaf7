"""Reading and decoding what was paid for, on a machine that is short of memory or descriptors.

Only bytes that don't decode with enough of both are the provider's fault.
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
    """Decode an image that was paid for: one at a time, again while the machine can't.

    Args:
        decode: Does it; MemoryError, or an OSError of SHORTAGES, is the machine's fault.
        deadline: By the monotonic clock; the first try is made in any case.
        content: What it decodes, for the error.

    Raises:
        GeneratorResponseError: It is no image.
        ImageNotStoredError: The deadline passed, and the machine still can't.
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
    """Return if so much memory could be taken now; none is kept.

    Args:
        size: Bytes.

    Raises:
        MemoryError: There is less.
    """
    # the system gives pages only when they are touched
    bytearray(size)
