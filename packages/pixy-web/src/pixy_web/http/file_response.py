"""A response that streams a file, or a range of it, without loading it into memory."""

import logging
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pixy_core import PixyProxyException
from pixy_service import ContentFile
from pixy_web.threads.threads import Threads

logger = logging.getLogger(__name__)


class FileResponse(Response):
    """Sends a range of an open file in parts, and closes it.

    Args:
        file: The file.
        part: The range of its bytes.
        first: The first `part_size` bytes of the range.
        status: The status code.
        headers: All headers except Content-Length and Content-Type.
        media_type: The media type of the file.
        reads: Threads that read the following parts.
    """

    def __init__(
        self,
        file: ContentFile,
        part: range,
        first: bytes | memoryview,
        *,
        status: int,
        headers: Mapping[str, str],
        media_type: str | None,
        reads: Threads,
    ) -> None:
        length = {"Content-Length": str(len(part))}
        super().__init__(status_code=status, headers={**headers, **length}, media_type=media_type)
        self._file = file
        self._part = part
        self._first = first
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's signature
        """Answer an ASGI request.

        If the rest of the file can't be read, the client gets fewer bytes than announced.

        Raises:
            ClientDisconnect: The client has left before the end.
        """
        record = scope.get("state", {}).get("request_record")
        with self._file:
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            try:
                if scope["method"] != "HEAD":
                    await self._send_parts(record, send)
            except PixyProxyException as error:
                _break_off(record, error)
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_parts(self, record: Any, send: Send) -> None:
        content, self._first = self._first, b""
        size = self._file.part_size
        for offset in self._part[::size]:
            if offset != self._part.start:
                # uvicorn's `send` waits until a full write buffer is down to its low-water mark. So
                # this empty message waits until the client has taken most of the part before, which
                # is in that buffer: only one part is in memory
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                stop = min(offset + size, self._part.stop)
                content = await self._reads.run(self._file.read, offset, stop)
            await send({"type": "http.response.body", "body": content, "more_body": True})
            content = b""
            # uvicorn ignores data for a client that has left
            if record is not None and record.is_abandoned:
                raise ClientDisconnect


def _break_off(record: Any, error: PixyProxyException) -> None:
    """Log why an answer has no end; the server then closes the connection.

    No traceback: an object that is deleted while it is sent is no fault of the program.
    """
    logger.error("the file breaks off: %s: %s", type(error).__name__, error.explanation)
    if record is not None:
        record.status, record.is_complete = 500, True
