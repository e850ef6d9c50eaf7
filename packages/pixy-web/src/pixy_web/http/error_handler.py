"""The exception handler for all errors, and the table of their statuses and codes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import pixy_core as core
from pixy_core.violations import explain_violation
from pixy_web.http.mounting import path_for_routes
from pixy_web.http.problems import (
    CrossSiteRequestError,
    InvalidField,
    Problem,
    problem_response,
    status_title,
)
from pixy_web.http.v1.errors import error_response, is_v1
from pixy_web.threads.threads import (
    SignInBusyError,
    ThreadsBusyError,
    ThumbnailsBusyError,
    UploadsBusyError,
)

logger = logging.getLogger(__name__)

Row = TypeVar("Row")

CHALLENGE = {"WWW-Authenticate": 'Basic realm="PixyProxy", charset="UTF-8"'}
"""RFC 7617, section 2.1: the charset tells browsers to send UTF-8."""

KEY_CHALLENGE = {
    "WWW-Authenticate": f"{CHALLENGE['WWW-Authenticate']}, "
    'Bearer realm="PixyProxy", error="invalid_token"'
}
"""RFC 6750, section 3: for a key, by whichever of the two schemes it came."""

RETRY_SOON = {"Retry-After": "2"}
RETRY_PENDING = {"Retry-After": "5"}
"""A generation takes at least 8 seconds, so polling faster gains nothing."""


STATUSES: dict[type[core.PixyProxyException], tuple[int, str, dict[str, str]]] = {
    core.InvalidInputError: (422, "invalid_input", {}),
    core.FileTooLargeError: (413, "body_too_large", {}),
    core.AuthenticationRequiredError: (401, "authentication_required", CHALLENGE),
    core.InvalidCredentialsError: (401, "invalid_credentials", CHALLENGE),
    core.InvalidKeyError: (401, "invalid_key", KEY_CHALLENGE),
    core.TooManyFailuresError: (429, "too_many_failures", {}),
    core.PermissionDeniedError: (403, "permission_denied", {}),
    core.ScopeMissingError: (403, "scope_missing", {}),
    core.PasswordRequiredError: (403, "password_required", {}),
    CrossSiteRequestError: (403, "cross_site_request", {}),
    core.RecordNotFoundError: (404, "record_not_found", {}),
    core.ConstraintViolationError: (409, "constraint_violated", {}),
    core.TooManyKeysError: (409, "too_many_keys", {}),
    core.ImagePendingError: (409, "image_pending", RETRY_PENDING),
    core.IdempotencyKeyInUseError: (409, "idempotency_key_in_use", RETRY_PENDING),
    core.ImageDeletedError: (410, "image_deleted", {}),
    core.IdempotencyKeyReusedError: (422, "idempotency_key_reused", {}),
    core.DBConnectionError: (503, "database_unavailable", RETRY_SOON),
    core.DatabaseBusyError: (503, "database_busy", RETRY_SOON),
    core.SchemaError: (503, "database_unavailable", RETRY_SOON),
    core.StoreMismatchError: (503, "store_mismatch", {"Retry-After": "30"}),
    core.StorageUnavailableError: (503, "storage_unavailable", {"Retry-After": "30"}),
    ThreadsBusyError: (503, "server_busy", RETRY_SOON),
    SignInBusyError: (503, "sign_in_busy", RETRY_SOON),
    UploadsBusyError: (503, "uploads_busy", RETRY_SOON),
    ThumbnailsBusyError: (503, "thumbnails_busy", RETRY_SOON),
    core.ServiceClosedError: (503, "shutting_down", RETRY_SOON),
    core.ContentDamagedError: (500, "content_damaged", {}),
    core.PixyProxyException: (500, "internal_error", {}),
}
"""Status, code and headers of each error; a class that is not listed uses its parent's."""

GENERATION_STATUSES: dict[type[core.PixyProxyException], int] = {
    core.GenerationBusyError: 503,
    core.PromptRejectedError: 422,
    core.GeneratorOverloadedError: 503,
    core.GeneratorQuotaError: 503,
    core.GeneratorUnreachableError: 503,
    core.GeneratorClientError: 503,
    core.ImageNotStoredError: 503,
    core.GenerationTimeoutError: 504,
    core.GenerationError: 502,
}
"""Status of each failed generation; the error has the code."""

HTTP_CODES = {
    400: "bad_request",
    404: "no_such_resource",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    431: "head_too_large",
}


async def handle_error(request: Request, error: Exception) -> Response:
    """Return the response to an error of a route, a dependency or the framework."""
    if is_v1(request):
        return error_response(request, error, _keep_headers(request, error))
    if isinstance(error, core.PixyProxyException):
        return _respond_to_failure(request, error)
    if isinstance(error, RequestValidationError):
        return _respond_to_invalid_input(request, _described(error.errors()))
    if isinstance(error, HTTPException):
        return _respond_to_http_error(request, error)
    return respond_to_crash(request)


def respond_to_crash(request: Request) -> Response:
    """Return the response to an unexpected error, without details."""
    if is_v1(request):
        return error_response(request, Exception(), {})
    return _respond(request, 500, "internal_error", core.PixyProxyException.message)


def _respond_to_failure(request: Request, error: core.PixyProxyException) -> Response:
    if isinstance(error, core.InvalidInputError):
        return _respond_to_invalid_input(
            request,
            [
                InvalidField(location=_placed(request, where), reason=why)
                for where, why in error.errors
            ],
        )
    if isinstance(error, core.GenerationError):
        return _respond_to_failed_generation(request, error)
    status, code, headers = _row_of(error, STATUSES)
    if isinstance(error, core.TooManyFailuresError):
        headers = {"Retry-After": str(error.retry_after)}
    if status >= 500:
        is_unknown = code == "internal_error"
        logger.error("%s", error.explanation, exc_info=error if is_unknown else None)
    return _respond(request, status, code, str(error), headers)


def _respond_to_failed_generation(request: Request, error: core.GenerationError) -> Response:
    status = _row_of(error, GENERATION_STATUSES)
    if status >= 500:
        logger.error("%s", error)
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if error.replayed:
        headers["Idempotent-Replayed"] = "true"
    return _respond(
        request,
        status,
        error.code,
        str(error),
        headers,
        retryable=error.retryable,
        billed=error.billed,
        upstream_request_id=error.upstream_request_id,
    )


def _row_of(
    error: core.PixyProxyException, table: Mapping[type[core.PixyProxyException], Row]
) -> Row:
    return next(table[cls] for cls in type(error).__mro__ if cls in table)


def _respond_to_invalid_input(request: Request, errors: list[InvalidField]) -> Response:
    return _respond(request, 422, "invalid_input", core.InvalidInputError.message, errors=errors)


def _respond_to_http_error(request: Request, error: HTTPException) -> Response:
    code = HTTP_CODES.get(error.status_code, "http_error")
    headers = _keep_headers(request, error)
    return _respond(request, error.status_code, code, error.detail, headers)


def _keep_headers(request: Request, error: Exception) -> dict[str, str]:
    if not isinstance(error, HTTPException):
        return {}
    # without these the 401 loses WWW-Authenticate and the 405 loses Allow
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    return headers


def _respond(
    request: Request,
    status: int,
    code: str,
    detail: str,
    headers: dict[str, str] | None = None,
    **extensions: Any,
) -> Response:
    problem = Problem(
        title=status_title(status),
        status=status,
        detail=detail,
        code=code,
        request_id=request.scope["state"]["request_record"].request_id,
        **extensions,
    )
    return problem_response(problem, headers or {})


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods of all routes of a path; Starlette has only those of the first."""
    found: set[str] = set()
    path = path_for_routes(request)
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(path):
            found |= route.methods or set()
    return sorted(found)


def _placed(request: Request, location: tuple[str, ...]) -> list[str]:
    """Return the part of the request that a value came from which the service rejects."""
    name = location[0] if location else ""
    if name in request.path_params:
        return ["path", *location]
    if name == "Idempotency-Key":
        return ["header", *location]
    # only these methods have a body, and they have no query
    return ["body" if request.method in ("POST", "PATCH") else "query", *location]


def _described(errors: Sequence[Any]) -> list[InvalidField]:
    """Return pydantic's errors without the input values."""
    return [
        InvalidField(
            location=[str(step) for step in error["loc"]],
            reason=explain_violation(error),
        )
        for error in errors
    ]
