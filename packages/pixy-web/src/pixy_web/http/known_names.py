"""Rejecting unknown parameters of a query and unknown members of a JSON object."""

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Literal

from fastapi.exceptions import RequestValidationError

_MOST_TOLD = 10
_LONGEST_TOLD = 64


def check_names(
    where: Literal["body", "query"], given: Iterable[str], known: Collection[str]
) -> None:
    """Return if all names are known; otherwise a misspelt one would be ignored.

    Args:
        where: The part of the request that has them.
        given: The names in the request.
        known: The known names, in the order of the message.

    Raises:
        RequestValidationError: Some are not; the message has the first, and all known names.
    """
    unknown = dict.fromkeys(name for name in given if name not in known)
    if unknown:
        reason = f"is not known; known are {', '.join(known)}"
        told = [printable(name) for name in islice(unknown, _MOST_TOLD)]
        raise RequestValidationError([{"loc": (where, name), "msg": reason} for name in told])


def printable(name: str) -> str:
    """Return a name for a message: printable and short, because it is input."""
    cut = name[:_LONGEST_TOLD]
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in cut)
