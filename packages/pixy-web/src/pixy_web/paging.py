"""The query of a list: how many images, after which one, and which images at all."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator, ValidationError
from starlette.requests import Request

from pixy_core import ImageFilter, InvalidInputError
from pixy_service import MAX_PAGE_SIZE

_FILTERS = tuple(ImageFilter.model_fields)


@dataclass(frozen=True)
class Paging:
    """Which images of a list are wanted.

    Attributes:
        limit: Images on the page; None for all.
        cursor: From the `Link` header of the page before; None for the first.
        match: What the list is narrowed to; None for all.
        narrowing: The part of the query that says so, for the `Link` to the next page.
    """

    limit: int | None
    cursor: str | None
    match: ImageFilter | None
    narrowing: dict[str, str]


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
        RequestValidationError: A filter breaks its rule.
    """
    query = request.query_params
    names = [name for name, _ in query.multi_items()]
    repeated = [name for name in ("limit", "cursor", *_FILTERS) if names.count(name) > 1]
    if repeated:
        raise InvalidInputError(tuple(((name,), "must be given once") for name in repeated))
    narrowing = {name: query[name] for name in _FILTERS if name in query}
    # most lists aren't narrowed, and a parameter of FastAPI's costs its time on each request
    match = _read_filter(narrowing) if narrowing else None
    return Paging(limit, cursor, match, narrowing)


def _read_filter(narrowing: dict[str, str]) -> ImageFilter:
    try:
        return ImageFilter.model_validate(narrowing)
    except ValidationError as error:
        raise RequestValidationError(
            [problem | {"loc": ("query", *problem["loc"])} for problem in error.errors()]
        ) from error
