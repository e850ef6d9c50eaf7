"""The provider's models, and when they are shut down: `GET /models`, which costs nothing."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pixy_service.generators.interface import ModelInfo
from pixy_service.generators.openai.formats import Number, decode_text, parse_documents

if TYPE_CHECKING:
    from pixy_service.generators.openai.exchange import Exchange

logger = logging.getLogger(__name__)

MAX_LIST_BYTES = 4 * 1024 * 1024
"""Unpacked; OpenAI's list has some ten thousand."""

_TIMEOUT = 10.0


async def fetch_models(exchange: "Exchange") -> list[ModelInfo]:
    """Ask for the provider's models once; empty if it does not tell them.

    Args:
        exchange: Opens the client.
    """
    body = bytearray()
    try:
        async with (
            asyncio.timeout(_TIMEOUT),
            exchange.open_client() as client,
            client.models.with_streaming_response.list(
                extra_headers={"Accept-Encoding": "identity"}
            ) as reply,
        ):
            async for content in reply.http_response.aiter_raw():
                body += content
                if len(body) > MAX_LIST_BYTES:
                    raise ValueError("too long")
    except Exception as error:  # noqa: BLE001 - images are made without the dates
        # not the error itself: its text may repeat the key
        logger.info("the provider does not tell its models: %s", type(error).__name__)
        return []
    return read_models(bytes(body))


def read_models(body: bytes) -> list[ModelInfo]:
    """Read a list of models; what is no model is left out."""
    found = []
    for document in parse_documents(decode_text(body)):
        items = document.get("data") if isinstance(document, dict) else document
        for item in items if isinstance(items, list) else ():
            name = item.get("id") if isinstance(item, dict) else None
            if isinstance(name, str):
                found.append(ModelInfo(name, _read_date(item.get("shutdown_date"))))
    return found


def _read_date(value: Any) -> date | None:
    """Read a date, the date of a time, or seconds since 1970; None for anything else."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, Number):
            return datetime.fromtimestamp(float(value), UTC).date()
        if isinstance(value, str):
            return date.fromisoformat(value[:10])
    return None
