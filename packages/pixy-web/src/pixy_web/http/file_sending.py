"""The server's side of sending a file without a copy in this process: sendfile(2).

It is ASGI's extension for it:
https://asgi.readthedocs.io/en/latest/extensions.html#zero-copy-send
"""

import asyncio
import os
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

ZERO_COPY_SEND = "http.response.zerocopysend"
LARGEST_PART = 2 * 1024 * 1024
"""Bytes that are given to the system in one call, in which nobody else is served."""


GONE = (ConnectionError, TimeoutError)
"""What the system says of a client that is gone, or has not been heard of for too long."""


class FileSendingCycle(RequestResponseCycle):
    """uvicorn's request and response, whose body may be parts of files as well.

    Attributes:
        has_file: Whether parts of one belong to its body, of which the transport knows nothing.
    """

    has_file = False

    async def send(self, message: Any) -> None:
        """Send a message of ASGI.

        Raises:
            ConnectionError, TimeoutError: A file is to be sent, and the client is gone.
            RuntimeError: It is more than was announced.
            EOFError: The file is shorter than it is said to be.
            OSError: It can't be read; EINVAL, its file system knows no sendfile.
        """
        if message["type"] != ZERO_COPY_SEND:
            await super().send(message)
            return
        self.has_file = True
        try:
            await self._send_file(message["file"], message["offset"], message["count"])
        except GONE:
            self.disconnected = True
            self.transport.close()
            raise
        if not message.get("more_body", False):
            await super().send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_file(self, file: int, offset: int, count: int) -> None:
        if self.disconnected:
            raise ConnectionResetError
        if count > self.expected_content_length:
            raise RuntimeError("Response content longer than Content-Length")
        outlet = _Outlet(self.transport)
        try:
            await outlet.become_empty()
            while count:
                sent = await outlet.send_part(file, offset, min(count, LARGEST_PART))
                offset += sent
                count -= sent
                self.expected_content_length -= sent
        finally:
            outlet.close()


class _Outlet:
    """A connection's socket, beside the transport that it belongs to."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._watched: int | None = None

    async def become_empty(self) -> None:
        """Wait until the transport has sent all that it was given.

        Raises:
            ConnectionError: The connection is closed.
        """
        while self._transport.get_write_buffer_size():
            await self._become_writable()

    async def send_part(self, file: int, offset: int, count: int) -> int:
        """Send at least one byte and at most `count`, and return how many.

        Raises:
            ConnectionError: The connection is closed.
            EOFError: The file ends before the offset.
            OSError: The file can't be read.
        """
        while True:
            try:
                sent = os.sendfile(self._find_socket(), file, offset, count)
            except BlockingIOError:
                await self._become_writable()
            else:
                if not sent:
                    raise EOFError
                return sent

    def _find_socket(self) -> int:
        # once the transport is closed, the number may be another connection's
        if self._transport.is_closing():
            raise ConnectionResetError
        descriptor: int = self._transport.get_extra_info("socket").fileno()
        return descriptor

    async def _become_writable(self) -> None:
        if self._watched is None:
            # the loop looks after the transport's descriptor for the transport alone
            self._watched = os.dup(self._find_socket())
        loop, is_writable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_writer(self._watched, is_writable.set)
        try:
            await is_writable.wait()
        finally:
            loop.remove_writer(self._watched)

    def close(self) -> None:
        if self._watched is not None:
            os.close(self._watched)
