"""Which traces are continued: those that a trusted proxy names in `traceparent`.

https://www.w3.org/TR/trace-context/
"""

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import cast

import uvicorn
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

NO_PARENT = Context()

_propagator = TraceContextTextMapPropagator()
_trusted_parent: ContextVar[Context] = ContextVar("trusted_parent", default=NO_PARENT)


def get_trusted_parent() -> Context:
    """Return the context of the span that the current request continues, or an empty one."""
    return _trusted_parent.get()


class TracedConfig(uvicorn.Config):
    """uvicorn's configuration of an application that continues the traces of trusted proxies."""

    def load(self) -> None:
        """Load the application, and wrap it to see the real peer address.

        The wrapper is outside of uvicorn's ProxyHeadersMiddleware, which replaces that address.
        """
        super().load()
        application = self.loaded_app
        if isinstance(application, ProxyHeadersMiddleware):
            # the same rule as for X-Forwarded-For
            is_trusted = application.trusted_hosts.__contains__
            self.loaded_app = ParentReader(cast("ASGIApp", application), is_trusted)


class ParentReader:
    """ASGI middleware that notes which span a request continues.

    Args:
        app: The next ASGI application.
        is_trusted: Returns whether an address is a trusted proxy's.
    """

    def __init__(self, app: ASGIApp, is_trusted: Callable[[str], bool]) -> None:
        self._app = app
        self._is_trusted = is_trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        peer = scope.get("client")
        if scope["type"] != "http" or peer is None or not self._is_trusted(peer[0]):
            await self._app(scope, receive, send)
            return
        token = _trusted_parent.set(read_parent(scope["headers"]))
        try:
            await self._app(scope, receive, send)
        finally:
            _trusted_parent.reset(token)


def read_parent(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    """Return the context of the span in `traceparent` and `tracestate`; empty without a valid one.

    Args:
        headers: Names in lower case. `baggage` is ignored.
    """
    parents, states = list[str](), list[str]()
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value.decode("latin-1"))
        elif name == b"tracestate":
            states.append(value.decode("latin-1"))
    if len(parents) != 1:
        return NO_PARENT
    return _propagator.extract({"traceparent": parents, "tracestate": states}, NO_PARENT)
