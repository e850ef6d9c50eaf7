"""What a provider reports about an image that it made: what it charged for, and what it chose.

Gateways write all of this in their own ways, and the image has been paid for. So whatever can't be
kept is left out, and nothing here raises.
"""

import json
import logging
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from pixy_core.images import MAX_USAGE_BYTES, MAX_USAGE_LEVELS
from pixy_service.generators.openai.formats import Number

logger = logging.getLogger(__name__)

_MAX_WORD_LENGTH = 64
_MAX_ID_LENGTH = 255
_CHOICES = ("size", "quality", "background", "output_format")


class Report(NamedTuple):
    """What a provider reports.

    Attributes:
        choices: Its `size`, `quality`, `background` and `output_format`, where it tells them.
        usage: Its `usage`, unchanged.
    """

    choices: dict[str, str]
    usage: dict[str, Any] | None


def find_members(nodes: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the members that make a report, each from the first object that has it."""
    found: dict[str, Any] = {}
    for node in nodes:
        for name in ("usage", *_CHOICES):
            value = node.get(name)
            if isinstance(value, dict if name == "usage" else str):
                found.setdefault(name, value)
    return found


def read_report(members: dict[str, Any]) -> Report:
    """Read the members that `find_members` returned, perhaps of several messages."""
    choices = {name: members[name] for name in _CHOICES if _is_word(members.get(name, ""))}
    return Report(choices, _read_usage(members["usage"]) if "usage" in members else None)


def read_request_id(header: str | None) -> str | None:
    """Return the provider's own id of a request if it can be kept."""
    is_id = header is not None and header.isprintable() and 0 < len(header) <= _MAX_ID_LENGTH
    return header if is_id else None


def _is_word(value: str) -> bool:
    return value.isascii() and value.isprintable() and 0 < len(value) <= _MAX_WORD_LENGTH


def _read_usage(value: dict[str, Any]) -> dict[str, Any] | None:
    with suppress(ValueError):
        usage: dict[str, Any] = _restore(value, MAX_USAGE_LEVELS)
        if len(json.dumps(usage)) <= MAX_USAGE_BYTES:
            return usage
    logger.warning("the provider's usage is too large or too deeply nested, and is not kept")
    return None


def _restore(value: Any, levels: int) -> Any:
    """Return a parsed value with its numbers as numbers, and text that can be encoded.

    Raises:
        ValueError: It has more levels, or a number of thousands of digits.
    """
    if isinstance(value, Number):
        return _restore_number(value)
    if isinstance(value, str):
        return _restore_text(value)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        raise ValueError("too deeply nested")
    if isinstance(value, list):
        return [_restore(item, levels - 1) for item in value]
    return {_restore_text(name): _restore(item, levels - 1) for name, item in value.items()}


def _restore_number(text: Number) -> int | float | str:
    number: int | float = json.loads(text)
    # JSON has no form for infinity
    return number if isinstance(number, int) or math.isfinite(number) else str(text)


def _restore_text(text: str) -> str:
    """Return a text as UTF-8 that was read with one character for each byte."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    return text.encode("utf-8", "replace").decode()
