"""Raw HTTP over a socket: sends bytes unchanged, which an HTTP client would correct."""

import base64
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT = 30.0
"""Seconds after which a server is considered hanging."""


@dataclass(frozen=True)
class Answer:
    """The first answer, in its parts; status 0 means no answer."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None."""
        found = re.search(rb"(?im)^%s: (.*?)\r?$" % name.encode(), self.head)
        return found[1].decode("latin-1") if found else None

    def without_identity(self) -> tuple[bytes, bytes]:
        """Return head and body without request id and date, which differ in all answers."""
        request_id = (self.header("x-request-id") or "?").encode()
        head = re.sub(rb"(?im)^date: .*\r\n", b"", self.head)
        return head.replace(request_id, b"ID"), self.body.replace(request_id, b"ID")


def basic(user: str, password: str) -> bytes:
    """Return the Authorization header of a user, with its line's end."""
    return b"Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()) + b"\r\n"


def exchange(url: str, request: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send bytes to a server and return its first answer, read to the end of the connection.

    Args:
        url: The server's URL; the path is not used.
        request: The bytes; they should request that the connection is closed.
        source: The address to send from.

    Raises:
        TimeoutError: The server neither answers nor closes.
    """
    address = urlsplit(url)
    received = b""
    with socket.create_connection(
        (str(address.hostname), address.port or 80), TIMEOUT, (source, 0)
    ) as connection:
        try:
            connection.sendall(request)
            while not _is_complete(received):
                data = connection.recv(65536)
                if not data:
                    break
                received += data
        except ConnectionError:  # the server closed before all was sent
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.1 ") else 0
    length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
    return Answer(status, head + b"\r\n", body[: int(length[1])] if length else body)


def _is_complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length[1]))
