"""Ports for servers that are stopped and started again on the same port."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections import deque

# below the ports that Linux assigns itself, so that a client whose server is down does not reach
# the server of another test
_PORTS = range(20_000, 32_000)

PORT_LOCK = "pixy-test-port-"
"""How the names of the lock files in the temporary folder begin."""

_MOST_HELD = 200
_held: deque[int] = deque()
"""Descriptors of the locks of the ports that were found last; the end of the process frees them."""


def find_lasting_port() -> int:
    """Return a free port of the loopback address that no other process of tests gets soon."""
    while True:
        port = random.choice(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            _reserve(port)
            return port


def _reserve(port: int) -> None:
    """Lock a file that is named after a port; other processes of tests skip it.

    Raises:
        OSError: Another process has it.
    """
    path = f"{tempfile.gettempdir()}/{PORT_LOCK}{port}"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    _held.append(descriptor)
    if len(_held) > _MOST_HELD:
        os.close(_held.popleft())
