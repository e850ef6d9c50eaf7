"""The JSON body of a request, read strictly and with a limit (RFC 8259, and I-JSON, RFC 7493).

FastAPI's own parsing answers 500 to lone surrogates, and accepts duplicate keys and NaN.
"""

import json
import math
from contextlib import aclosing
from email.message import Message
from typing import Any, NoReturn, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import FileTooLargeError, InvalidInputError
from pixy_web.http.known_names import check_names
from pixy_web.http.request_body import receive_body
from pixy_web.runtime import get_runtime

Model = TypeVar("Model", bound=BaseModel)

_MOST_BRANCHES = 100_000
"""Braces, brackets and commas of a body that is longer than others may be."""


async def read_model(request: Request, model: type[Model]) -> Model:
    """Return the body of a request as a model.

    Raises:
        HTTPException: As `read_json_object`.
        InvalidInputError: As `read_json_object`.
        RequestValidationError: A member is unknown or invalid.
    """
    value = await read_json_object(request, get_runtime(request).max_body_size)
    check_names("body", value, model.model_fields)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RequestValidationError(
            [problem | {"loc": ("body", *problem["loc"])} for problem in error.errors()]
        ) from error


async def read_json_object(request: Request, limit: int) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    Args:
        request: The request; its body has not been read.
        limit: Maximum bytes of the body.

    Raises:
        HTTPException: 400 if it is not JSON in UTF-8, 408 if it comes too slowly, 413 over the
            limit, 415 for another media type or any content coding.
        InvalidInputError: It is not an object, or has NaN or an infinite number.
    """
    _check_media_type(request)
    body = await _read_limited(request, limit)
    runtime = get_runtime(request)
    if len(body) <= runtime.max_body_size:
        return parse_json_object(body)
    # only data URLs need that length, and they have one comma each
    if sum(map(body.count, (b"{", b"[", b","))) > _MOST_BRANCHES:
        raise InvalidInputError((((), "must not have so many members"),))
    return await runtime.pools.uploads.run(parse_json_object, body)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in some bytes.

    Raises:
        HTTPException: 400, they are not JSON in UTF-8, or repeat a key.
        InvalidInputError: They are empty or no object, or have NaN or an infinite number.
    """
    if not body:
        raise InvalidInputError((((), "must not be empty"),))
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_refuse_duplicate_keys,
            parse_constant=_refuse_number,
            parse_float=_parse_finite,
        )
    # ValueError: not UTF-8, not JSON, or an integer of more digits than Python reads
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The body is not JSON in UTF-8") from error
    if not isinstance(value, dict):
        raise InvalidInputError((((), "must be a JSON object"),))
    return value


def _check_media_type(request: Request) -> None:
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    charset = header.get_param("charset", "utf-8")
    if (
        header.get_content_type() != "application/json"
        or str(charset).lower() != "utf-8"
        or "content-encoding" in request.headers
    ):
        raise HTTPException(
            415, "The body must be application/json", {"Accept": "application/json"}
        )


async def _read_limited(request: Request, limit: int) -> bytes:
    # FastAPI's max_body_size answers in plain text, so it can't be used here
    body = bytearray()
    try:
        async with aclosing(receive_body(request, limit)) as chunks:
            async for chunk in chunks:
                body += chunk
    except FileTooLargeError as error:
        raise HTTPException(413, "The body is too large") from error
    return bytes(body)


def _refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise HTTPException(400, "The body repeats a key")
    return members


def _refuse_number(_: str) -> NoReturn:
    raise InvalidInputError((((), "must not contain NaN or Infinity"),))


def _parse_finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)
