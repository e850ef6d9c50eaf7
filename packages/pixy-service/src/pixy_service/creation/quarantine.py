"""Keeps for an operator what failed generations may have paid for."""

import logging

from pixy_core import Creation, GenerationError
from pixy_data import AnswerNote, Quarantine

logger = logging.getLogger(__name__)


def keep_answer(quarantine: Quarantine, creation: Creation, error: GenerationError) -> None:
    """Keep what the provider sent instead of an image, if it may have been paid for.

    A failure is logged, and changes nothing for the caller.

    Args:
        quarantine: Where it is kept.
        creation: The creation.
        error: Why there is no image, with the answer if there was one.
    """
    if not error.answer or error.billed == "no":
        return
    try:
        path = quarantine.keep(_describe(creation, error, len(error.answer)), error.answer)
    except Exception:
        logger.critical("the answer for creation %s is lost", creation.guid, exc_info=True)
    else:
        logger.critical(
            "creation %s has no image, and what the provider sent is kept: %s",
            creation.guid,
            path.name,
        )


def _describe(creation: Creation, error: GenerationError, answer_size: int) -> AnswerNote:
    return AnswerNote(
        guid=creation.guid,
        owner=creation.owner,
        prompt=creation.prompt,
        size=creation.size,
        quality=creation.quality,
        created_at=creation.created_at,
        code=error.code,
        billed=error.billed,
        upstream_request_id=error.upstream_request_id,
        answer_size=answer_size,
    )
