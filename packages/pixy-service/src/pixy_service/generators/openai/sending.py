"""Tracks how far a request to the provider has come, by the hooks and the trace of httpx2.

https://www.python-httpx.org/advanced/extensions/#trace names the events. They may change between
versions, so an unknown event counts as if the request had left.
"""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from pixy_core import GeneratorClientError

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger(__name__)

_CONNECTING = frozenset(
    {
        *("connection.connect_tcp", "connection.start_tls", "proxy.start_tls"),
        *("socks.connect_tcp", "socks.setup_socks5_connection", "socks.start_tls"),
    }
)
# it follows others, and doesn't tell the request
_CLOSING = "http11.response_closed"


class _Stage(Enum):
    BUILDING = "building"
    CONNECTING = "connecting"
    LEFT = "left"


class Sending:
    """The progress of one request."""

    def __init__(self) -> None:
        self._stage = _Stage.BUILDING
        self._has_been_sent = False

    @property
    def may_have_left(self) -> bool:
        """Whether the provider may have received any of the request."""
        return self._stage is _Stage.LEFT

    @property
    def is_connecting(self) -> bool:
        """Whether the request is complete, and waits for its connection."""
        return self._stage is _Stage.CONNECTING

    async def begin(self, request: "httpx2.Request") -> None:
        """Track a complete request from now on; a hook of the client."""
        self._stage = _Stage.LEFT
        request.extensions["trace"] = self._note

    async def _note(self, event: str, info: Mapping[str, Any]) -> None:
        step, _, state = event.rpartition(".")
        if self._has_been_sent or state != "started" or step == _CLOSING:
            return
        # a proxy is asked for a tunnel before it gets the request
        is_tunnel = getattr(info.get("request"), "method", None) == b"CONNECT"
        self._has_been_sent = not (step in _CONNECTING or is_tunnel)
        self._stage = _Stage.LEFT if self._has_been_sent else _Stage.CONNECTING


def explain_unsent(error: Exception) -> GeneratorClientError:
    """Return what a failure before the request means. Only words of the system are logged."""
    reason = getattr(error, "strerror", None) or ""
    # no image can be made until somebody has acted
    logger.critical("the provider could not be asked: %s %s", type(error).__name__, reason)
    return GeneratorClientError()
