"""Each private route with each key: case C924. The table of scopes is walked, row by row."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Scope
from pixy_service import open_keys
from pixy_web.api import keys, private_images, v1
from pixy_web.api.direct_route import PrivateRoute
from pixy_web.api.scopes import SCOPES, find_scope
from provider_answers import make_png
from running_service import PASSWORD, RunningService, run_service

ROWS = list(SCOPES)
BODIES: dict[str, dict[str, Any]] = {
    "POST /image": {"prompt": "a lighthouse", "size": "1024x640"},
    "PATCH /image/{guid}": {"visibility": "class"},
    "POST /key": {"name": "another"},
    "POST /v1/images/generations": {"prompt": "a lighthouse", "size": "1024x640"},
    "POST /v1/images/edits": {"prompt": "the same at night", "size": "1024x640"},
}
SUCCESSES = {"POST /image": 201, "POST /image/upload": 201, "DELETE /image/{guid}": 204}
PREVIEW = 303
V1_CODES = {"insufficient_permissions": "scope_missing", "invalid_api_key": "invalid_key"}
"""Codes of `/v1`, and what they are in the native API."""

_widths = itertools.count(8)
ENDS = ("expired", "revoked", "rotated", "disabled")


class Keys(NamedTuple):
    """A running service, its user and an image, and keys by what they are."""

    service: RunningService
    user: str
    tokens: dict[str, str]
    guid: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    service = run_service(tmp_path_factory.mktemp("data"))
    user, disabled = service.add_user(), service.add_user()
    url = service.settings.database_url.get_secret_value()
    tokens = {}
    with open_keys(url) as all_keys:
        for scope in Scope:
            tokens[f"only {scope}"] = all_keys.add_key(user, "one", (scope,)).token
            others = tuple(set(Scope) - {scope})
            tokens[f"all but {scope}"] = all_keys.add_key(user, "two", others).token
        tokens["all"] = all_keys.add_key(user, "all", tuple(Scope)).token
        for end in ENDS:
            owner = disabled if end == "disabled" else user
            key, tokens[end] = all_keys.add_key(owner, end, tuple(Scope), 1)
            if end == "expired":
                _expire(url, key.id)
            elif end == "revoked":
                all_keys.revoke_key(key.id)
            elif end == "rotated":
                all_keys.rotate_key(key.id)
    with service.open_users() as users:
        users.disable_user(disabled)
    yield Keys(service, user, tokens, service.make_image(service.client(user))["guid"])
    service.stop()


def _expire(url: str, key_id: str) -> None:
    # nothing in the service's interface makes a key that has expired
    import sqlite3

    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(
            "UPDATE api_keys SET expires_at = '2026-01-01 00:00:00.000000' WHERE id = ?", [key_id]
        )
    connection.close()


def ask(made: Keys, row: tuple[str, str], token: str, scheme: str) -> httpx2.Response:
    """Send the request of a row with a key, or with the user's password."""
    method, template = row
    owner, guid, key_id = made.service.client(made.user), made.guid, "0" * 10
    if method == "DELETE" and "{guid}" in template and token not in map(made.tokens.get, ENDS):
        guid = made.service.make_image(owner)["guid"]
    if "{id}" in template:
        key_id = owner.post("/key", json=BODIES["POST /key"]).json()["id"]
    path = template.replace("{guid}", guid).replace("{id}", key_id).replace("{model}", "dall-e-3")
    client = made.service.client(*((made.user, token) if scheme == "basic" else ()))
    if scheme == "bearer":
        client.headers["Authorization"] = f"Bearer {token}"
    if template == "/image/upload":
        # each file once
        content = make_png(next(_widths), 8)
        return client.post(path, content=content, headers={"Content-Type": "image/png"})
    body = BODIES.get(f"{method} {template}")
    if template == "/v1/images/edits":
        body = BODIES[f"{method} {template}"] | {"images": [{"file_id": made.guid}]}
    return client.request(method, path, json=body)


def is_bearer_only(row: tuple[str, str]) -> bool:
    """Return whether a route belongs to `/v1`, which takes no HTTP Basic."""
    return row[1].startswith("/v1")


def code_of(answer: httpx2.Response) -> str:
    if not answer.content:
        return ""
    problem = answer.json()
    return V1_CODES[problem["error"]["code"]] if "error" in problem else str(problem["code"])


def test_every_private_route_has_a_row_and_every_row_a_route() -> None:
    routes = [*private_images.router.routes, *keys.router.routes, *v1.router.routes]
    assert all(isinstance(route, PrivateRoute) for route in routes)
    rows = {
        (method, route.path_format)
        for route in routes
        if isinstance(route, PrivateRoute)
        for method in route.methods or ()
    }
    assert rows == set(SCOPES)


@pytest.mark.case("C924")
@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_scope_follows_from_path_and_method(row: tuple[str, str]) -> None:
    method, path = row
    by_method = {"GET": Scope.READ, "HEAD": Scope.READ, "POST": Scope.CREATE}
    expected = None if path.startswith("/key") else by_method.get(method, Scope.CHANGE)
    assert SCOPES[row] == expected


def test_every_route_that_takes_credentials_is_a_private_one(made: Keys) -> None:
    document = made.service.client().get("/openapi.json").json()
    described = {
        (method.upper(), path): operation["security"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["security"]
    }
    assert set(described) == set(SCOPES)
    for row, security in described.items():
        assert ({"bearer": []} in security) == (SCOPES[row] is not None), row


@pytest.mark.case("C924")
@pytest.mark.parametrize("row", ROWS, ids=" ".join)
@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_a_route_takes_a_key_with_its_scope_and_no_other(
    made: Keys, row: tuple[str, str], scheme: str
) -> None:
    needed = SCOPES[row]
    usual = PREVIEW if row[1].endswith("/preview") else 200
    expected = SUCCESSES.get(" ".join(row), usual)
    if needed is None:
        answer = ask(made, row, made.tokens["all"], scheme)
        assert answer.status_code == 403
        assert code_of(answer) == ("" if row[0] == "HEAD" else "password_required")
        return
    if is_bearer_only(row) and scheme == "basic":
        assert ask(made, row, made.tokens["all"], scheme).status_code == 401
        return
    for name in ("all", f"only {needed}"):
        assert ask(made, row, made.tokens[name], scheme).status_code == expected, name
    missing = [f"all but {needed}", *(f"only {other}" for other in set(Scope) - {needed})]
    for name in missing:
        answer = ask(made, row, made.tokens[name], scheme)
        assert answer.status_code == 403, name
        assert "www-authenticate" not in answer.headers
        assert code_of(answer) == ("" if row[0] == "HEAD" else "scope_missing")


@pytest.mark.case("C924")
@pytest.mark.parametrize("row", ROWS, ids=" ".join)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_a_route_refuses_a_key_that_is_over(
    made: Keys, row: tuple[str, str], end: str, scheme: str
) -> None:
    answer = ask(made, row, made.tokens[end], scheme)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert code_of(answer) == ("" if row[0] == "HEAD" else "invalid_key")


@pytest.mark.case("C925")
def test_a_password_may_do_everything(made: Keys) -> None:
    for row in itertools.filterfalse(is_bearer_only, ROWS):
        assert ask(made, row, PASSWORD, "basic").status_code in (200, 201, 204, 303)


async def answer(request: Request) -> Response:
    return Response(request.method)


@pytest.mark.parametrize(
    ("path", "methods", "message"),
    [
        ("/nowhere", ["GET"], "no row"),
        ("/image", ["GET", "POST"], "different scopes"),
        ("/image", ["PUT"], "no row"),
    ],
)
def test_a_route_without_a_row_can_not_be_declared(
    path: str, methods: list[str], message: str
) -> None:
    router = APIRouter(route_class=PrivateRoute)
    with pytest.raises(LookupError, match=message):
        router.add_api_route(path, answer, methods=methods)
    with pytest.raises(LookupError):
        find_scope(path, [])
