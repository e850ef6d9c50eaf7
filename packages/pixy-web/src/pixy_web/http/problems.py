"""The format of errors: problem details (RFC 9457).

A problem never repeats input, SQL, paths, keys or a message of the provider. Its request id finds
the lines of the log.
"""

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from pixy_core import PixyProxyException

MEDIA_TYPE = "application/problem+json"
NO_STORE = {"Cache-Control": "private, no-store", "Vary": "Authorization"}


class CrossSiteRequestError(PixyProxyException):
    """A page of another site made the browser send a write request."""

    message = "Pages of other sites may not send writes"


class InvalidField(BaseModel):
    """One violation of the input's rules."""

    location: list[str] = Field(
        description="Where: `body`, `query`, `path` or `header`, then the field.",
        examples=[["body", "prompt"]],
    )
    reason: str = Field(
        description="Which rule, without the value.", examples=["must not be blank"]
    )


class Problem(BaseModel):
    """An error in the format of RFC 9457, with PixyProxy's extension members."""

    type: str = Field(
        "about:blank", description="Always `about:blank`: `code` tells problems apart."
    )
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(description="What happened, for people.", examples=["Record not found"])
    code: str = Field(
        description="What happened, for programs: it won't change.", examples=["record_not_found"]
    )
    request_id: str = Field(description="The request's id in the log, as in `X-Request-ID`.")
    errors: list[InvalidField] | None = Field(None, description="With 422: each broken rule.")
    retryable: bool | None = Field(
        None, description="With a failed generation: whether the same request may succeed later."
    )
    billed: Literal["yes", "no", "unknown"] | None = Field(
        None, description="With a failed generation: whether the provider charged for it."
    )
    upstream_request_id: str | None = Field(
        None, description="With a failed generation: the provider's own id of its request."
    )


def problem_response(problem: Problem, headers: dict[str, str]) -> Response:
    """Return a problem as a response that caches may not store.

    Args:
        problem: The problem; members that are None are left out.
        headers: Further headers, such as `Retry-After`.
    """
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=problem.status,
        headers=headers | NO_STORE,
        media_type=MEDIA_TYPE,
    )


def status_title(status: int) -> str:
    """Return the reason phrase of a status, or "Error" for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
