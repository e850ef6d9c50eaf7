"""Clients that request a file and never read it, and the memory that a server needs for them."""

import resource
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from installed_pixy import PASSWORD, InstalledPixy


@contextmanager
def lazy_downloads(pixy: InstalledPixy, path: str, count: int) -> Iterator[None]:
    """Request a file as ada on `count` connections, and read only the status of each answer."""
    address = urlsplit(pixy.url)
    credentials = b64encode(f"ada:{PASSWORD}".encode()).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(count):
            lazy = stack.enter_context(socket.socket())
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            lazy.connect((address.hostname, address.port))
            lazy.sendall(head.encode())
            assert lazy.recv(12) == b"HTTP/1.1 200"
        yield


def read_resident_memory(process: int) -> int:
    """Return the resident bytes of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize()
