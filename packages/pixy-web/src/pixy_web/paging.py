"""The query of a list: how many images, and after which one."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator
from starlette.requests import Request

from pixy_core import InvalidInputError
from pixy_service import MAX_PAGE_SIZE


@dataclass(frozen=True)
class Paging:
    """Which images of a list are wanted.

    Attributes:
        limit: Images on the page; None for all.
        cursor: From the `Link` header of the page before; None for the first.
    """

    limit: int | None
    cursor: str | None


def _check_digits(text: str | None) -> str | None:
    # pydantic reads 1_0, 1.0, +1 and " 1 " as whole numbers, too
    if text is not None and not (text.isascii() and text.isdigit()):
        raise ValueError("must be a whole number")
    return text


async def read_paging(
    request: Request,
    limit: Annotated[
        int | None,
        BeforeValidator(_check_digits),
        Query(
            ge=1,
            le=MAX_PAGE_SIZE,
            description="Images on the page. Without it the whole list is streamed.",
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        Query(description="Where the page begins: taken from the `Link` header of the one before."),
    ] = None,
) -> Paging:
    """Return the paging that a request's query asks for.

    Raises:
        InvalidInputError: A parameter is given twice; FastAPI would take the last.
    """
    names = [name for name, _ in request.query_params.multi_items()]
    repeated = [name for name in ("limit", "cursor") if names.count(name) > 1]
    if repeated:
        raise InvalidInputError(tuple(((name,), "must be given once") for name in repeated))
    return Paging(limit, cursor)
