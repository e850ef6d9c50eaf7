"""The scope that an API key needs for each private route: the one table of them."""

from collections.abc import Iterable

from pixy_core import Scope

PASSWORD_ONLY = None
"""In SCOPES: no key is enough, whatever its scopes."""

SCOPES: dict[tuple[str, str], Scope | None] = {
    ("GET", "/image"): Scope.READ,
    ("HEAD", "/image"): Scope.READ,
    ("GET", "/image/{guid}"): Scope.READ,
    ("HEAD", "/image/{guid}"): Scope.READ,
    ("GET", "/image/{guid}/content"): Scope.READ,
    ("HEAD", "/image/{guid}/content"): Scope.READ,
    ("GET", "/image/{guid}/preview"): Scope.READ,
    ("HEAD", "/image/{guid}/preview"): Scope.READ,
    ("GET", "/image/{guid}/derived"): Scope.READ,
    ("HEAD", "/image/{guid}/derived"): Scope.READ,
    ("POST", "/image"): Scope.CREATE,
    ("POST", "/image/upload"): Scope.CREATE,
    ("PATCH", "/image/{guid}"): Scope.CHANGE,
    ("DELETE", "/image/{guid}"): Scope.CHANGE,
    ("POST", "/v1/images/generations"): Scope.CREATE,
    ("POST", "/v1/images/edits"): Scope.CREATE,
    ("GET", "/v1/models"): Scope.READ,
    ("GET", "/v1/models/{model}"): Scope.READ,
    ("GET", "/key"): PASSWORD_ONLY,
    ("HEAD", "/key"): PASSWORD_ONLY,
    ("POST", "/key"): PASSWORD_ONLY,
    ("DELETE", "/key/{id}"): PASSWORD_ONLY,
    ("POST", "/key/{id}/rotation"): PASSWORD_ONLY,
}


def find_scope(path: str, methods: Iterable[str]) -> Scope | None:
    """Return the scope that a key needs for a route.

    Args:
        path: The route's path, as it is declared.
        methods: The route's methods.

    Raises:
        LookupError: SCOPES has no row for the route, or different ones for its methods.
    """
    try:
        scopes = {SCOPES[method, path] for method in methods}
    except KeyError as error:
        raise LookupError(f"SCOPES has no row for {error}") from error
    if len(scopes) != 1:
        raise LookupError(f"the methods of {path} need different scopes: add a route for each")
    return scopes.pop()
