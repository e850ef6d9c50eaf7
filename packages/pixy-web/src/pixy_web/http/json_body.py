"""The JSON body of a request, read strictly and with a limit (RFC 8259, and I-JSON, RFC 7493).

Stock FastAPI answers 500 to some of what is refused here, and takes duplicate keys and NaN.
"""

import json
import math
from email.message import Message
from typing import Any, NoReturn, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import InvalidInputError
from pixy_web.http.known_names import check_names
from pixy_web.runtime import get_runtime

Model = TypeVar("Model", bound=BaseModel)


async def read_model(request: Request, model: type[Model]) -> Model:
    """Return the body of a request as a model.

    Raises:
        HTTPException: As `read_json_object`.
        InvalidInputError: As `read_json_object`.
        RequestValidationError: A member is unknown, or the object breaks a rule of the model.
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
    """Return the object that a request's body is.

    Args:
        request: The request, its body still unread.
        limit: The most bytes that are read.

    Raises:
        HTTPException: 400 for what is not JSON in UTF-8, 413 over the limit, 415 for another
            media type or any content coding.
        InvalidInputError: JSON, but no object, or with a number that JSON does not have.
    """
    _check_media_type(request)
    body = await _read_limited(request, limit)
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
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    if declared.isdecimal() and int(declared) > limit:
        raise HTTPException(413, "The body is too large")
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, "The body is too large")
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
