"""Cross-site requests: how a change that a page of another site asks for is told apart.

A browser resends Basic credentials by itself, so they do not show what the user wants (CSRF).
"""

from collections.abc import Iterable

from pixy_core import PixyProxyException

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""RFC 9110, section 9.2.1; no route of ours answers the last two."""

_SAME_SITE = frozenset({b"same-origin", b"none"})


class CrossSiteRequestError(PixyProxyException):
    """A browser asks for a change on behalf of another site's page."""

    message = "A page of another site may not change anything here"


def is_cross_site(headers: Iterable[tuple[bytes, bytes]], origins: frozenset[bytes]) -> bool:
    """Return whether a browser says that another site's page is behind a request.

    What is no browser sends neither header, and has no credentials that it wasn't given.

    Args:
        headers: Of the request, their names in lower case.
        origins: Origins whose pages may do what this service's own page may.
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
