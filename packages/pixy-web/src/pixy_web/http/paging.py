"""The query of a list: limit, cursor and filter."""

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
    # pydantic also accepts 1_0, 1.0, +1 and " 1 "
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise ValueError("must be a whole number")
    return text


class PageQuery(BaseModel):
    """The parameters of any list of images."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(_check_digits)] | None = (
        Field(None, description="Images on the page. Without it the whole list is streamed.")
    )
    cursor: str | None = Field(
        None,
        description="Where the page begins: taken from the `Link` header of the one before.",
    )


class ListQuery(PageQuery):
    """The parameters of the list of all images, except for the filter."""

    status: CreationStatus | None = Field(
        None,
        description="`ready`, the default: images. Else the caller's own creations of this "
        "status, a page at a time.",
    )


_PAGE = tuple(PageQuery.model_fields)
_QUERY = tuple(ListQuery.model_fields)
_FILTERS = tuple(ImageFilter.model_fields)
_KNOWN = (*_QUERY, *_FILTERS)


@dataclass(frozen=True)
class Paging:
    """The images or creations of a list that a request asks for.

    Attributes:
        limit: Maximum number of images on the page; None for all.
        cursor: From the `Link` header of the previous page; None for the first.
        status: The status of the creations.
        match: The filter; None for all.
        narrowing: The part of the query that has the filter, for the `Link` to the next page.
    """

    limit: int | None
    cursor: str | None
    status: CreationStatus
    match: ImageFilter | None
    narrowing: dict[str, str]


def read_paging(request: Request) -> Paging:
    """Return the paging that a request's query asks for.

    FastAPI accepts a parameter twice, and takes longer than everything else for a page.

    Raises:
        InvalidInputError: A parameter is given twice, or a filter for creations that are not ready.
        RequestValidationError: A parameter is unknown or invalid.
    """
    given = request.query_params
    _check_names(request, _KNOWN)
    query = _validate(ListQuery, dict(given))
    status = query.status or CreationStatus.READY
    narrowing = {name: given[name] for name in _FILTERS if name in given}
    if narrowing and status != CreationStatus.READY:
        raise InvalidInputError(tuple(((name,), "is for images only") for name in narrowing))
    match = _validate(ImageFilter, narrowing) if narrowing else None
    return Paging(query.limit, query.cursor, status, match, narrowing)


def read_page(request: Request) -> Paging:
    """Return the paging that a query asks for in a list without a filter.

    Raises:
        InvalidInputError: A parameter is given twice.
        RequestValidationError: A parameter is unknown or invalid.
    """
    _check_names(request, _PAGE)
    query = _validate(PageQuery, dict(request.query_params))
    return Paging(query.limit, query.cursor, CreationStatus.READY, None, {})


def _check_names(request: Request, known: tuple[str, ...]) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    check_names("query", names, known)
    repeated = [name for name in known if names.count(name) > 1]
    if repeated:
        raise InvalidInputError(tuple(((name,), "must be given once") for name in repeated))


def _validate(model: type[M], values: dict[str, str]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(
            [problem | {"loc": ("query", *problem["loc"])} for problem in error.errors()]
        ) from error
