"""An answer that is a file, or a part of one, and never all of it in memory where that can be."""

import errno
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pixy_service import ContentFile
from pixy_web.http.file_sending import GONE, LARGEST_PART, ZERO_COPY_SEND
from pixy_web.threads.threads import Threads


class FileResponse(Response):
    """Sends a part of an open file, and closes it.

    Args:
        file: The file.
        part: Which of its bytes.
        status: The status code.
        headers: All headers but Content-Length and Content-Type.
        media_type: What the bytes are.
        reads: Threads that wait for the disk.
    """

    def __init__(
        self,
        file: ContentFile,
        part: range,
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
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's signature
        """Answer an ASGI request.

        Raises:
            ClientDisconnect: The client has left before the end.
            ContentDamagedError: The file has changed meanwhile; the client sees it end early.
        """
        with self._file:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] != "HEAD":
                await self._send_part(scope, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_part(self, scope: Scope, send: Send) -> None:
        if ZERO_COPY_SEND in scope.get("extensions", ()):
            try:
                await self._send_file(send)
            except OSError as error:
                # some file systems can't; they say so before the first byte
                if error.errno != errno.EINVAL:
                    raise
            else:
                return
        content = await self._reads.run(self._file.read, self._part.start, self._part.stop)
        await send({"type": "http.response.body", "body": content, "more_body": True})

    async def _send_file(self, send: Send) -> None:
        for offset in self._part[::LARGEST_PART]:
            count = min(LARGEST_PART, self._part.stop - offset)
            if offset != self._part.start:
                # what was in memory once may not be any more, nor what it was
                await self._reads.run(self._file.load, offset, count)
            message = {
                "type": ZERO_COPY_SEND,
                "file": self._file.fileno(),
                "offset": offset,
                "count": count,
                "more_body": True,
            }
            try:
                await send(message)
            except GONE as error:
                raise ClientDisconnect from error
