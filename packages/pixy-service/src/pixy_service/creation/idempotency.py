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


def compute_fingerprint(request: ImageDetailCreate, index: int = 0, count: int = 1) -> str:
    """Return a hash that two requests share only if they ask for the same.

    Members with default values are left out, so a member that a later version adds changes nothing.

    Args:
        request: What is asked for.
        index: Which image of the request it is.
        count: How many images the request asks for.
    """
    members = request.model_dump(mode="json", exclude_defaults=True)
    if count > 1:
        members |= {"index": index, "count": count}
    canonical = json.dumps(members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def may_replace(
    creation: Creation, is_same_request: bool, *, waits_for_pending: bool = False
) -> bool:
    """Return whether a request may replace an earlier one with the same idempotency key.

    Args:
        creation: The earlier one.
        is_same_request: Whether it asked for the same.
        waits_for_pending: Whether the request waits if the earlier one still runs.

    Returns:
        True if the earlier one failed and cost nothing, False if it is the answer.

    Raises:
        IdempotencyKeyReusedError: The earlier request asked for something else.
        IdempotencyKeyInUseError: It still runs.
        GenerationError: It failed after it was paid for, or may have been.
    """
    if not is_same_request:
        raise IdempotencyKeyReusedError
    if creation.status == CreationStatus.PENDING and not waits_for_pending:
        raise IdempotencyKeyInUseError
    if is_free_failure(creation):
        return True
    check_failure(creation)
    return False


def is_free_failure(creation: Creation) -> bool:
    """Return whether a creation failed and cost nothing, so that it may be asked for again."""
    return creation.problem is not None and creation.problem.billed == "no"


def check_failure(creation: Creation) -> None:
    """Return if a creation has not failed.

    Raises:
        GenerationError: It has; this is its failure.
    """
    if creation.problem is not None:
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
