"""Names that a caller gives, of parameters and members: those that are unknown are refused."""

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Literal

from fastapi.exceptions import RequestValidationError

_MOST_TOLD = 10
_LONGEST_TOLD = 64


def check_names(
    where: Literal["body", "query"], given: Iterable[str], known: Collection[str]
) -> None:
    """Return if all names are known: one that was misspelled would else be ignored.

    Args:
        where: Where they stand.
        given: What the caller gives.
        known: What there is, in the order in which it is told.

    Raises:
        RequestValidationError: Some are not; it names the first, and all that are known.
    """
    unknown = dict.fromkeys(name for name in given if name not in known)
    if unknown:
        reason = f"is not known; known are {', '.join(known)}"
        told = [_printable(name) for name in islice(unknown, _MOST_TOLD)]
        raise RequestValidationError([{"loc": (where, name), "msg": reason} for name in told])


def _printable(name: str) -> str:
    """Return a name as it may be told: it is input, and can be anything."""
    cut = name[:_LONGEST_TOLD]
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in cut)
