"""ASGI middleware that measures requests; it is outside the request log, which knows the rest."""

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from pixy_web.metrics.worker import WorkerMetrics

UNMATCHED = "unmatched"


class RequestMeter:
    """ASGI middleware that counts each request.

    Args:
        app: The application, with the request log outermost.
        metrics: Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: "WorkerMetrics") -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._metrics.begin_request()
        try:
            await self._app(scope, receive, send)
        finally:
            record = scope["state"]["request_record"]
            route = getattr(scope.get("route"), "path_format", UNMATCHED)
            seconds = (record.duration or 0.0) / 1000
            self._metrics.end_request(record.method, route, record.status, seconds)
