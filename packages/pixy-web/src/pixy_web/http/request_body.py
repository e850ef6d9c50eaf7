"""The body of a request, as it arrives: with a limit on its size and on its duration."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import FileTooLargeError
from pixy_web.runtime import get_runtime

LEAST_RATE = 32 * 1024
"""Bytes a second at which a body must come on average, after the grace period."""


async def receive_body(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """Yield a body as it arrives. The time in which the caller does not wait for it is not counted.

    Args:
        request: The request; its body has not been read.
        limit: Maximum bytes of the body.

    Raises:
        FileTooLargeError: It has more.
        HTTPException: 408, it comes too slowly.
        ClientDisconnect: The client has left.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise FileTooLargeError
    clock, grace = asyncio.get_running_loop().time, get_runtime(request).body_grace
    received, waited = 0, 0.0
    async with aclosing(request.stream()) as stream:
        while True:
            begun = clock()
            try:
                async with asyncio.timeout(grace + received / LEAST_RATE - waited):
                    chunk = await anext(stream, None)
            except TimeoutError as error:
                closing = {"Connection": "close"}
                raise HTTPException(408, "The body comes too slowly", closing) from error
            if chunk is None:
                return
            waited += clock() - begun
            received += len(chunk)
            if received > limit:
                raise FileTooLargeError
            yield chunk
