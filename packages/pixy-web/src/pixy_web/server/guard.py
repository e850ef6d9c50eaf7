"""Middleware that rejects malformed and cross-site requests, and adds security headers."""

import re
from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixy_web.http.error_handler import handle_error
from pixy_web.http.problems import CrossSiteRequestError

BROWSER_RULES = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Default headers of every answer, from OWASP's HTTP Headers Cheat Sheet."""

PROBES = frozenset({"/health/live", "/health/ready"})
"""Paths that accept any host name."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110, section 9.2.1."""

_SAME_SITE = frozenset({b"same-origin", b"none"})

# RFC 3986, section 3.2: a registered name or IPv4 address, or an IPv6 address in brackets
_HOST = re.compile(rb"([A-Za-z0-9._~%!$&'()*+,;=-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Guard:
    """ASGI middleware that rejects malformed and cross-site requests.

    Args:
        app: The next ASGI application.
        hosts: Accepted host names, in lower case; empty accepts every name.
        origins: Origins of other sites whose pages may send writes.
        max_head_size: Maximum bytes of a request's target and header fields.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str], origins: frozenset[str], max_head_size: int
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.encode() for host in hosts)
        self._origins = frozenset(origin.encode() for origin in origins)
        self._max_head_size = max_head_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] += [rule for rule in BROWSER_RULES if rule[0] not in present]
            await send(message)

        fault = self._find_fault(scope)
        if fault is None:
            await self._app(scope, receive, send_guarded)
        else:
            response = await handle_error(Request(scope), fault)
            await response(scope, receive, send_guarded)

    def _find_fault(self, scope: Scope) -> Exception | None:
        # httptools has no limit of its own
        size, hosts = len(scope["raw_path"]) + len(scope["query_string"]), []
        is_misframed = False
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host":
                hosts.append(value)
            elif name == b"transfer-encoding":
                is_misframed |= value.lower() != b"chunked" or _has_length(scope)
        if size > self._max_head_size:
            return HTTPException(431, "The address and header fields are too large")
        if is_misframed:
            # the next bytes may be a part of this body: RFC 9112, section 6.3
            closing = {"Connection": "close"}
            return HTTPException(400, "The length of the body is ambiguous", headers=closing)
        if not self._is_known(hosts, scope):
            return HTTPException(400, "The Host header names no host of this service")
        if scope["method"] not in SAFE_METHODS and is_cross_site(scope["headers"], self._origins):
            return CrossSiteRequestError()
        return None

    def _is_known(self, hosts: list[bytes], scope: Scope) -> bool:
        # probes of load balancers and Kubernetes use the IP address as host
        is_any_accepted = not self._hosts or scope["path"] in PROBES
        if len(hosts) != 1:
            # RFC 9112, section 3.2: only HTTP/1.0 requests may have no Host header
            return not hosts and scope["http_version"] == "1.0" and is_any_accepted
        match = _HOST.fullmatch(hosts[0])
        return match is not None and (is_any_accepted or match[1].lower() in self._hosts)


def _has_length(scope: Scope) -> bool:
    return any(name == b"content-length" for name, _ in scope["headers"])


def is_cross_site(headers: Iterable[tuple[bytes, bytes]], origins: frozenset[bytes]) -> bool:
    """Return True if a browser says that another site's page sent the request (CSRF).

    Browsers attach Basic credentials to such requests without asking the user. Clients that are
    not browsers send neither `Origin` nor `Sec-Fetch-Site`.

    Args:
        headers: The request's headers, names in lower case.
        origins: Origins of other sites whose pages may send writes.
    """
    sent = dict(headers)
    origin, site = sent.get(b"origin"), sent.get(b"sec-fetch-site")
    if origin is not None and origin in origins:
        return False
    if site is not None:  # https://www.w3.org/TR/fetch-metadata/
        return site not in _SAME_SITE
    return origin is not None and not _is_origin_of(origin, sent.get(b"host", b""))


def _is_origin_of(origin: bytes, host: bytes) -> bool:
    """Return whether an Origin header (RFC 6454) names the host of a Host header."""
    scheme, _, authority = origin.lower().partition(b"://")
    port = b":443" if scheme == b"https" else b":80"
    return authority.removesuffix(port) == host.lower().removesuffix(port)
