"""Idempotency keys: what a second request with the same key is answered.

A key belongs to its owner and is kept for a day after the first request has ended. The rules follow
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/, and one more: what was
paid for, or may have been, is never bought again.
"""

import hashlib
import json

from pixy_core import (
    Creation,
    CreationProblem,
    CreationStatus,
    GenerationError,
    GenerationUnknownError,
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    ImageDetailCreate,
    find_generation_error,
)


def compute_fingerprint(request: ImageDetailCreate) -> str:
    """Return a hash that two requests share only if they ask for the same.

    Members with default values are left out, so a member that a later version adds changes nothing.
    """
    members = request.model_dump(mode="json", exclude_defaults=True)
    canonical = json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def may_replace(creation: Creation, is_same_request: bool) -> bool:
    """Return whether a request may replace an earlier one with the same idempotency key.

    Args:
        creation: The earlier one.
        is_same_request: Whether it asked for the same.

    Returns:
        True if the earlier one failed and cost nothing, False if its image is the answer.

    Raises:
        IdempotencyKeyReusedError: The earlier request asked for something else.
        IdempotencyKeyInUseError: It still runs.
        GenerationError: It failed after it was paid for, or may have been.
    """
    if not is_same_request:
        raise IdempotencyKeyReusedError
    if creation.status == CreationStatus.PENDING:
        raise IdempotencyKeyInUseError
    if creation.problem is None:
        return False
    if creation.problem.billed == "no":
        return True
    raise _replay(creation.status, creation.problem)


def describe_problem(error: GenerationError) -> CreationProblem:
    """Return what is stored of a failed generation."""
    return CreationProblem(
        code=error.code,
        detail=str(error),
        retryable=error.retryable,
        billed=error.billed,
        upstream_request_id=error.upstream_request_id,
    )


def _replay(status: CreationStatus, problem: CreationProblem) -> GenerationError:
    is_unknown = status == CreationStatus.UNKNOWN
    kind = GenerationUnknownError if is_unknown else find_generation_error(problem.code)
    error = kind(
        upstream_request_id=problem.upstream_request_id,
        message=None if is_unknown else problem.detail,
    )
    error.replayed = True
    return error
