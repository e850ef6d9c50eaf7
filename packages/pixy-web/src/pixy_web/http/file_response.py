"""A response that streams a file, or a range of it, without loading it into memory."""

from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pixy_service import ContentFile
from pixy_web.threads.threads import Threads

PART_SIZE = 512 * 1024
"""Bytes that a thread reads at once: a slow reader holds that much memory."""


class FileResponse(Response):
    """Sends a range of an open file in parts, and closes it.

    Args:
        file: The file.
        part: The range of its bytes.
        first: The first PART_SIZE bytes of the range.
        status: The status code.
        headers: All headers except Content-Length and Content-Type.
        media_type: The file's.
        reads: Threads that read the following parts.
    """

    def __init__(
        self,
        file: ContentFile,
        part: range,
        first: bytes,
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

        Raises:
            ClientDisconnect: The client has left before the end.
            ContentDamagedError: The file has changed meanwhile; the client sees it end early.
        """
        with self._file:
            start = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **start})
            if scope["method"] != "HEAD":
                await self._send_parts(scope, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_parts(self, scope: Scope, send: Send) -> None:
        content, self._first = self._first, b""
        record = scope.get("state", {}).get("request_record")
        for offset in self._part[::PART_SIZE]:
            if offset != self._part.start:
                stop = min(offset + PART_SIZE, self._part.stop)
                content = await self._reads.run(self._file.read, offset, stop)
            await send({"type": "http.response.body", "body": content, "more_body": True})
            # uvicorn ignores what is sent to a client that is gone
            if record is not None and record.is_abandoned:
                raise ClientDisconnect
