"""The query of a list: how many images, after which one, and which images at all."""

from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from starlette.requests import Request

from pixy_core import CreationStatus, ImageFilter, InvalidInputError
from pixy_service import MAX_PAGE_SIZE
from pixy_web.http.known_names import check_names

M = TypeVar("M", bound=BaseModel)


def _check_digits(text: object) -> object:
    # pydantic reads 1_0, 1.0, +1 and " 1 " as whole numbers, too
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("must be a whole number")
    return text


class ListQuery(BaseModel):
    """What a list is asked for, but for the filter."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(_check_digits)] | None = (
        Field(None, description="Images on the page. Without it the whole list is streamed.")
    )
    cursor: str | None = Field(
        None,
        description="Where the page begins: taken from the `Link` header of the one before.",
    )
    status: CreationStatus | None = Field(
        None,
        description="`ready`, the default: images. Else the caller's own creations of this "
        "status, a page at a time.",
    )


_QUERY = tuple(ListQuery.model_fields)
_FILTERS = tuple(ImageFilter.model_fields)
_KNOWN = (*_QUERY, *_FILTERS)


@dataclass(frozen=True)
class Paging:
    """Which images or creations of a list are wanted.

    Attributes:
        limit: Images on the page; None for all.
        cursor: From the `Link` header of the page before; None for the first.
        status: Of which status.
        match: What the list is narrowed to; None for all.
        narrowing: The part of the query that says so, for the `Link` to the next page.
    """

    limit: int | None
    cursor: str | None
    status: CreationStatus
    match: ImageFilter | None
    narrowing: dict[str, str]


def read_paging(request: Request) -> Paging:
    """Return the paging that a request's query asks for.

    FastAPI would take the last of two parameters of a name, and longer than the rest of a page.

    Raises:
        InvalidInputError: A parameter is given twice, or a filter for what isn't ready.
        RequestValidationError: A parameter is unknown, or breaks its rule.
    """
    given = request.query_params
    names = [name for name, _ in given.multi_items()]
    check_names("query", names, _KNOWN)
    repeated = [name for name in _KNOWN if names.count(name) > 1]
    if repeated:
        raise InvalidInputError(tuple(((name,), "must be given once") for name in repeated))
    query = _validate(ListQuery, dict(given))
    status = query.status or CreationStatus.READY
    narrowing = {name: given[name] for name in _FILTERS if name in given}
    if narrowing and status != CreationStatus.READY:
        raise InvalidInputError(tuple(((name,), "is for images only") for name in narrowing))
    match = _validate(ImageFilter, narrowing) if narrowing else None
    return Paging(query.limit, query.cursor, status, match, narrowing)


def _validate(model: type[M], values: dict[str, str]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(
            [problem | {"loc": ("query", *problem["loc"])} for problem in error.errors()]
        ) from error
