"""A stream to standard error that never blocks.

When a pipe, socket or terminal is full, text is kept in memory; beyond a limit it is dropped and
counted. O_NONBLOCK is not set on descriptor 2 itself: the flag belongs to the open file
description, which this process shares with its shell and with other workers.
"""

import errno
import os
import select
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

MAX_WAITING_BYTES = 1024 * 1024
"""The log of a busy worker for some seconds."""

_DRAIN_PATIENCE = 1.0
"""Seconds that a process waits for the reader when it ends."""

_SHORTEST_WAIT = 0.01

Send = Callable[[bytes], int]
"""Writes the first of some bytes and returns their number, or raises BlockingIOError."""


class LineStream(Protocol):
    """The stream that log lines are written to."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> object:
        """Write what is buffered."""


class LogStream:
    """Writes lines in order, and never blocks.

    Args:
        descriptor: The descriptor of the file.
        send: Writes to it; see `open_sender`.
        describe_loss: Returns a line that reports the number of dropped lines.
    """

    def __init__(self, descriptor: int, send: Send, describe_loss: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._send = send
        self._describe_loss = describe_loss
        self._lock = threading.RLock()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._drainer: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Write whole lines, now or when the reader has room; drop them if too many wait."""
        with self._lock:
            # after a loss, nothing more is kept until the rest is written: one gap, reported once
            if self._dropped or self._waiting_bytes > MAX_WAITING_BYTES:
                self._dropped += text.count("\n")
            else:
                for piece in _split(text.encode(errors="backslashreplace")):
                    self._waiting.append(piece)
                    self._waiting_bytes += len(piece)
            if self._drainer is None and not self._drain():
                # text that is kept must not wait for the next line
                self._drainer = threading.Thread(
                    target=self._drain_later, name="pixy-log", daemon=True
                )
                self._drainer.start()
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` has written all that it can without blocking."""

    def drain(self) -> None:
        """Write what is kept, if the reader takes it within a second; for the end of a process."""
        deadline = time.monotonic() + _DRAIN_PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            with self._lock:
                if self._drain():
                    return
            self._wait_for_room(left)

    def _drain(self) -> bool:
        """Write what is kept, and report dropped lines; return False if the reader has no room."""
        try:
            while self._waiting:
                self._send_first()
            if self._dropped:
                line = self._describe_loss(self._dropped).encode()
                rest = line[self._send(line) :]
                self._dropped = 0
                self._waiting.extend([rest] if rest else [])
                self._waiting_bytes = len(rest)
        except BlockingIOError:
            return False
        except OSError:  # nobody reads this, or the disk is full; a later line may succeed
            self._dropped += sum(piece.count(b"\n") for piece in self._waiting)
            self._waiting.clear()
            self._waiting_bytes = 0
        return True

    def _send_first(self) -> None:
        piece = self._waiting[0]
        sent = self._send(piece)
        self._waiting_bytes -= sent
        if sent == len(piece):
            self._waiting.popleft()
        else:
            self._waiting[0] = piece[sent:]

    def _drain_later(self) -> None:
        while True:
            self._wait_for_room(None)
            with self._lock:
                if self._drain():
                    self._drainer = None
                    return

    def _wait_for_room(self, seconds: float | None) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(None if seconds is None else seconds * 1000)
        # a terminal may have room for a part of a piece only
        time.sleep(_SHORTEST_WAIT)


def open_log_stream(describe_loss: Callable[[int], str]) -> LineStream:
    """Return a stream to standard error that never blocks.

    Args:
        describe_loss: Returns a line that reports the number of dropped lines.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError):  # it is closed, or not a file
        return sys.stderr
    return LogStream(descriptor, open_sender(descriptor), describe_loss)


def open_sender(descriptor: int) -> Send:
    """Return a function that writes to a descriptor without blocking; regular files never block."""
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)):
        return partial(os.write, descriptor)
    try:
        # a second open file description, with its own flag
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        return partial(os.write, os.open(f"/proc/self/fd/{descriptor}", flags))
    except OSError:  # a socket, another user's pipe, or a system other than Linux
        return poll_first(descriptor)


def poll_first(descriptor: int) -> Send:
    """Return a sender for a blocking descriptor: if it is writable, it has room for PIPE_BUF bytes.

    If several processes write to a pipe, another one may fill it in between.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def send(content: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, "no room")
        return os.write(descriptor, content[: select.PIPE_BUF])

    return send


def _split(content: bytes) -> list[bytes]:
    """Return pieces of whole lines, small enough for a pipe to write each at once if possible."""
    if len(content) <= select.PIPE_BUF:
        return [content]
    pieces = [b""]
    for line in content.splitlines(keepends=True):
        if pieces[-1] and len(pieces[-1]) + len(line) > select.PIPE_BUF:
            pieces.append(b"")
        pieces[-1] += line
    return pieces
