"""Errors of `/v1` in OpenAI's shape, and the one table of their statuses, types and codes.

The clients decide by the status whether they send a request again: openai-python, openai-node and
the AI SDK repeat 408, 409, 429 and everything from 500. So whatever may have been paid for is 424,
which all of them leave alone; the OpenAI SDKs also obey `x-should-retry`.
"""

import json
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import pixy_core as core
from pixy_web.http.mounting import path_for_routes
from pixy_web.http.problems import NO_STORE, CrossSiteRequestError
from pixy_web.threads.threads import ThreadsBusyError, UploadsBusyError

logger = logging.getLogger(__name__)

PREFIX = "/v1"

INVALID = "invalid_request_error"
SERVER = "server_error"
NEVER = {"x-should-retry": "false"}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="PixyProxy"'}
WRONG_KEY = {"WWW-Authenticate": f'{CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'}
"""RFC 6750, section 3.1."""

MOST_SECONDS = 120
"""The longest `Retry-After` that the OpenAI SDKs honour."""


class UnknownParameterError(core.InvalidInputError):
    """A request has a member that is not known."""


class UnknownModelError(core.InvalidInputError):
    """A request names a model that this server does not have."""


class Row(NamedTuple):
    """What an error becomes.

    Attributes:
        status: The HTTP status.
        type: OpenAI's kind of the error.
        code: What happened, for programs; None: the code of the failed generation, or null.
        headers: Further headers.
    """

    status: int
    type: str
    code: str | None
    headers: Mapping[str, str] = MappingProxyType({})


_UNKNOWN = Row(424, SERVER, "outcome_unknown", NEVER)
_SOON = {"Retry-After": "2"}
_LATER = {"Retry-After": "30"}

ROWS: dict[type[core.PixyProxyException], Row] = {
    core.InvalidInputError: Row(400, INVALID, None),
    UnknownParameterError: Row(400, INVALID, "unknown_parameter"),
    UnknownModelError: Row(404, INVALID, "model_not_found"),
    core.IdempotencyKeyReusedError: Row(400, INVALID, "idempotency_key_reused"),
    core.AuthenticationRequiredError: Row(401, INVALID, "invalid_api_key", CHALLENGE),
    core.InvalidCredentialsError: Row(401, INVALID, "invalid_api_key", CHALLENGE),
    core.InvalidKeyError: Row(401, INVALID, "invalid_api_key", WRONG_KEY),
    core.ScopeMissingError: Row(403, INVALID, "insufficient_permissions"),
    core.PasswordRequiredError: Row(403, INVALID, "insufficient_permissions"),
    core.PermissionDeniedError: Row(403, INVALID, "permission_denied"),
    core.ConstraintViolationError: Row(403, INVALID, "constraint_violated"),
    CrossSiteRequestError: Row(403, INVALID, "cross_site_request"),
    core.RecordNotFoundError: Row(404, INVALID, "record_not_found"),
    core.ImagePendingError: Row(409, INVALID, "image_pending", {"Retry-After": "5"}),
    core.IdempotencyKeyInUseError: Row(
        409, INVALID, "idempotency_key_in_use", {"Retry-After": "5"}
    ),
    core.ImageDeletedError: Row(410, INVALID, "image_deleted", NEVER),
    core.TooManyFailuresError: Row(429, INVALID, "too_many_failures", NEVER),
    core.PromptRejectedError: Row(400, "image_generation_user_error", "moderation_blocked"),
    core.GeneratorQuotaError: Row(429, "insufficient_quota", "insufficient_quota", NEVER),
    core.GenerationBusyError: Row(503, SERVER, None),
    core.GeneratorOverloadedError: Row(503, SERVER, None),
    core.GeneratorUnreachableError: Row(503, SERVER, None),
    core.GeneratorClientError: Row(503, SERVER, None),
    core.GenerationUnknownError: _UNKNOWN,
    core.GeneratorResponseError: _UNKNOWN,
    core.ImageNotStoredError: _UNKNOWN,
    # not billed, but the same again, however often it is tried
    core.GenerationError: Row(424, SERVER, None, NEVER),
    # the image is there, and a retry would buy another
    core.ContentDamagedError: Row(424, SERVER, "content_damaged", NEVER),
    core.DBConnectionError: Row(503, SERVER, "database_unavailable", _SOON),
    core.DatabaseBusyError: Row(503, SERVER, "database_busy", _SOON),
    core.SchemaError: Row(503, SERVER, "database_unavailable", _SOON),
    core.FileTooLargeError: Row(413, INVALID, "body_too_large"),
    core.StoreMismatchError: Row(503, SERVER, "store_mismatch", _LATER),
    core.StorageUnavailableError: Row(503, SERVER, "storage_unavailable", _LATER),
    core.RequestAbandonedError: Row(503, SERVER, "request_abandoned", _SOON),
    UploadsBusyError: Row(503, SERVER, "uploads_busy", _SOON),
    ThreadsBusyError: Row(503, SERVER, "server_busy", _SOON),
    core.ServiceClosedError: Row(503, SERVER, "shutting_down", _SOON),
    core.PixyProxyException: Row(500, SERVER, "internal_error"),
}
"""What each error becomes; a class that is not listed uses its parent's row."""

HTTP_CODES = {
    400: "bad_request",
    404: "no_such_resource",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    431: "head_too_large",
}
"""The codes of the framework's errors, whose type is INVALID."""


_REPEATED = (409, 503)
_NOT_BILLED = (400, 401, 403, 404, 413, 429)
_NOTHING_DONE: dict[str, object] = {"retryable": False, "billed": "no"}


def is_v1(request: Request) -> bool:
    """Return whether a request's path belongs to this API."""
    path = path_for_routes(request)
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def find_row(error: core.PixyProxyException) -> Row:
    """Return what an error becomes."""
    return next(ROWS[kind] for kind in type(error).__mro__ if kind in ROWS)


def describe_error(request: Request, error: Exception) -> dict[str, object]:
    """Return the member `error` of an answer, or of an event of a stream."""
    error = _translate(error)
    if isinstance(error, HTTPException):
        code = HTTP_CODES.get(error.status_code, "http_error")
        return _describe(request, str(error.detail), INVALID, code) | _NOTHING_DONE
    if not isinstance(error, core.PixyProxyException):
        return _describe(request, core.PixyProxyException.message, SERVER, "internal_error")
    row = find_row(error)
    if isinstance(error, core.InvalidInputError):
        return _describe_input(request, error, row)
    if isinstance(error, core.GenerationError):
        described = _describe(request, str(error), row.type, row.code or error.code)
        return described | {"retryable": error.retryable, "billed": error.billed}
    described = _describe(request, str(error), row.type, row.code)
    if row.status in _REPEATED:
        return described | _NOTHING_DONE | {"retryable": True}
    return described | (_NOTHING_DONE if row.status in _NOT_BILLED else {"retryable": False})


def error_response(request: Request, error: Exception, headers: dict[str, str]) -> Response:
    """Return the answer to an error.

    Args:
        request: The request.
        error: Of a route, a dependency or the framework.
        headers: Further ones.
    """
    status, error = 500, _translate(error)
    if isinstance(error, HTTPException):
        status = error.status_code
    elif isinstance(error, core.PixyProxyException):
        row = find_row(error)
        status, headers = row.status, {**headers, **row.headers, **_tell_delay(error)}
        _log(error, status)
    content = json.dumps({"error": describe_error(request, error)})
    return Response(content, status, headers=headers | NO_STORE, media_type="application/json")


def _translate(error: Exception) -> Exception:
    """Return the framework's error about a form as one of ours."""
    if not isinstance(error, RequestValidationError):
        return error
    problems = [(tuple(map(str, each["loc"][1:])), str(each["msg"])) for each in error.errors()]
    is_unknown = any(why.startswith("is not known") for _, why in problems)
    return (UnknownParameterError if is_unknown else core.InvalidInputError)(tuple(problems))


def _log(error: core.PixyProxyException, status: int) -> None:
    if status == 500:
        logger.error("%s", error.explanation, exc_info=error)
    elif status > 500 or status == 424:
        logger.error("%s", error.explanation)


def _tell_delay(error: core.PixyProxyException) -> dict[str, str]:
    seconds = getattr(error, "retry_after", None)
    row = find_row(error)
    if seconds is None or row is _UNKNOWN:
        return {}
    is_repeated = row.headers is not NEVER
    return {"Retry-After": str(min(seconds, MOST_SECONDS) if is_repeated else seconds)}


def _describe_input(request: Request, error: core.InvalidInputError, row: Row) -> dict[str, object]:
    where, why = error.errors[0] if error.errors else ((), "")
    # the service calls them sources
    name = ".".join("image" if step == "sources" else step for step in where)
    if isinstance(error, UnknownModelError):
        message = f"The model {why}"
    elif isinstance(error, UnknownParameterError):
        message = f"Unknown parameter: '{name}'."
    else:
        message = f"`{name}` {why}" if name else f"The body {why}"
    return _describe(request, message, row.type, row.code) | _NOTHING_DONE | {"param": name or None}


def _describe(request: Request, message: str, kind: str, code: str | None) -> dict[str, object]:
    """Return the description of an error before the provider was asked, or of a crash."""
    record = request.scope["state"]["request_record"]
    return {
        "message": message,
        "type": kind,
        "param": None,
        "code": code,
        "retryable": None,
        "billed": None,
        "request_id": record.request_id,
    }
