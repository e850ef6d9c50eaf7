"""Signing in: cases C101 to C112, and C911."""

from base64 import b64encode
from collections.abc import Callable

import httpx2
import pytest

from running_service import PASSWORD, RunningService

GUID = "00000000-0000-4000-8000-000000000000"


def basic(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return "Basic " + b64encode(raw).decode()


def status_with(service: RunningService, authorization: str) -> int:
    return service.client().get("/image", headers={"Authorization": authorization}).status_code


@pytest.mark.case("C101")
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "Basic  "])
def test_right_credentials_are_accepted_in_any_case_of_the_scheme(
    service: RunningService, scheme: str
) -> None:
    token = basic(f"{service.add_user()}:{PASSWORD}").partition(" ")[2]
    assert status_with(service, f"{scheme} {token}") == 200


@pytest.mark.case("C102")
def test_wrong_password_unknown_user_and_disabled_user_look_the_same(
    service: RunningService,
) -> None:
    name, disabled = service.add_user(), service.add_user()
    with service.open_users() as users:
        users.disable_user(disabled)
    answers = [
        service.client(user, password).get("/image")
        for user, password in ((name, "wrong"), ("nobody", PASSWORD), (disabled, PASSWORD))
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="PixyProxy", charset="UTF-8"'
    bodies = [{**answer.json(), "request_id": None} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "invalid_credentials"


@pytest.mark.case("C103")
def test_wrong_credentials_are_refused_on_a_public_image_too(service: RunningService) -> None:
    client = service.sign_in()
    guid = service.make_image(client, visibility="public")["guid"]
    stranger, liar = service.client(), service.client("nobody", "wrong password")
    for path in (f"/image/{guid}", f"/image/{guid}/content", "/image", "/image?limit=1"):
        assert stranger.get(path).status_code == 200
        assert liar.get(path).status_code == 401


@pytest.mark.case("C104")
@pytest.mark.parametrize(
    "authorization",
    [
        basic("no colon"),
        "Basic Og==",
        "Basic",
        "",
        "Basic !!!",
        "Basic YTpi=",
        basic(b"user:\xff\xfe"),
        "Bearer token",
        basic("user\n:password"),
        basic("user:pass\0word"),
        basic("user:pass\x85word"),
        basic(f"{'u' * 65}:password"),
        basic(f"user:{'p' * 1025}"),
        basic(f"user:{'ä' * 513}"),
        basic(":password"),
        basic("user:"),
    ],
)
def test_malformed_credentials_are_refused(service: RunningService, authorization: str) -> None:
    assert status_with(service, authorization) == 401


@pytest.mark.case("C105")
def test_a_password_may_contain_colons_and_any_script(service: RunningService) -> None:
    with service.open_users() as users:
        users.add_user("пользователь", "a:b:ключ🔑", "class")
    assert status_with(service, basic("пользователь:a:b:ключ🔑")) == 200


@pytest.mark.case("C106")
def test_two_authorization_headers_are_malformed(service: RunningService) -> None:
    value = basic(f"{service.add_user()}:{PASSWORD}")
    headers = [("Authorization", value), ("Authorization", value)]
    answer = service.client().get("/image", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.case("C107")
@pytest.mark.parametrize("spelling", ["RENÉ", "rene", "René", "rené ", " rené"])
def test_another_spelling_is_another_user(fresh: RunningService, spelling: str) -> None:
    fresh.add_user("rené")
    assert fresh.client("rené").get("/image").status_code == 200
    assert fresh.client(spelling).get("/image").status_code == 401


@pytest.mark.case("C108")
def test_a_changed_password_and_a_disabled_user_are_refused_at_once(
    service: RunningService,
) -> None:
    name = service.add_user()
    old, new = service.client(name), service.client(name, "another password")
    assert (old.get("/image").status_code, new.get("/image").status_code) == (200, 401)
    with service.open_users() as users:
        users.set_password(name, "another password")
    assert (old.get("/image").status_code, new.get("/image").status_code) == (401, 200)
    with service.open_users() as users:
        users.disable_user(name)
    assert new.get("/image").status_code == 401


@pytest.mark.case("C108")
@pytest.mark.parametrize("below", ["", "/content", "/content?width=320", "/preview"])
def test_a_changed_password_and_a_disabled_user_are_refused_on_one_image_too(
    service: RunningService, below: str
) -> None:
    name = service.add_user()
    old, new = service.client(name), service.client(name, "another password")
    path = f"/image/{service.make_image(old)['guid']}{below}"
    known, refused = (303 if below == "/preview" else 200), 401
    assert (old.get(path).status_code, new.get(path).status_code) == (known, refused)
    with service.open_users() as users:
        users.set_password(name, "another password")
    assert (old.get(path).status_code, new.get(path).status_code) == (refused, known)
    with service.open_users() as users:
        users.disable_user(name)
    assert new.get(path).status_code == refused
    with service.open_users() as users:
        users.enable_user(name)
    assert new.get(path).status_code == known


@pytest.mark.case("C102")
def test_wrong_unknown_and_disabled_look_the_same_on_one_image_too(
    service: RunningService,
) -> None:
    owner, name, disabled = service.sign_in(), service.add_user(), service.add_user()
    guid = service.make_image(owner, visibility="public")["guid"]
    with service.open_users() as users:
        users.disable_user(disabled)
    for path in (f"/image/{guid}", f"/image/{guid}/content"):
        bodies = [
            {**service.client(user, password).get(path).json(), "request_id": None}
            for user, password in ((name, "wrong"), ("no one", PASSWORD), (disabled, PASSWORD))
        ]
        assert bodies[0] == bodies[1] == bodies[2]
        assert (bodies[0]["status"], bodies[0]["code"]) == (401, "invalid_credentials")


@pytest.mark.case("C110")
def test_the_sixth_wrong_password_for_one_image_is_told_to_wait(service: RunningService) -> None:
    owner, name = service.sign_in(), service.add_user()
    path = f"/image/{service.make_image(owner, visibility='public')['guid']}"
    answers = [service.client(name, f"wrong {number}").get(path) for number in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert service.client(name).get(path).status_code == 429
    assert owner.get(path).status_code == 200


@pytest.mark.case("C110")
@pytest.mark.parametrize("is_known", [True, False])
def test_the_sixth_wrong_password_is_told_to_wait(service: RunningService, is_known: bool) -> None:
    name = service.add_user() if is_known else "a name that nobody has"
    answers = [service.client(name, f"wrong {number}").get("/image") for number in range(6)]
    answers.append(service.client(name).get("/image"))
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    for answer in answers[5:]:
        assert answer.json()["code"] == "too_many_failures"
        assert 0 < int(answer.headers["retry-after"]) <= 300
        assert "www-authenticate" not in answer.headers


@pytest.mark.case("C111")
def test_nobody_else_has_to_wait(service: RunningService) -> None:
    name, other = service.add_user(), service.add_user()
    signed_in = service.client(name)
    assert signed_in.get("/image").status_code == 200
    guid = service.make_image(signed_in, visibility="public")["guid"]
    for number in range(7):
        service.client(name, f"wrong {number}").get("/image")
    assert signed_in.get("/image").status_code == 200
    assert service.client(other).get("/image").status_code == 200
    assert service.client().get(f"/image/{guid}").status_code == 200
    elsewhere = httpx2.Client(
        base_url=service.url,
        auth=httpx2.BasicAuth(name.encode(), b"wrong"),
        transport=httpx2.HTTPTransport(local_address="127.0.0.2"),
    )
    with elsewhere:
        assert elsewhere.get("/image").status_code == 401


@pytest.mark.case("C911")
def test_an_address_that_guesses_for_many_names_is_told_to_wait(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(sign_in_address_failures=3)
    name, other = service.add_user(), service.add_user()
    signed_in = service.client(name)
    assert signed_in.get("/image").status_code == 200
    answers = [service.client(f"made up {n}", PASSWORD).get("/image") for n in range(4)]
    answers.append(service.client(other).get("/image"))
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    for answer in answers[3:]:
        assert answer.json()["code"] == "too_many_failures"
        assert 0 < int(answer.headers["retry-after"]) <= 300
    assert signed_in.get("/image").status_code == 200
    elsewhere = httpx2.Client(
        base_url=service.url,
        auth=httpx2.BasicAuth(other.encode(), PASSWORD.encode()),
        transport=httpx2.HTTPTransport(local_address="127.0.0.2"),
    )
    with elsewhere:
        assert elsewhere.get("/image").status_code == 200


@pytest.mark.case("C112")
@pytest.mark.parametrize("is_trusted", [True, False])
def test_a_forwarded_address_is_believed_from_a_trusted_proxy_only(
    start_service: Callable[..., RunningService], is_trusted: bool
) -> None:
    service = start_service(trusted_proxies="127.0.0.1" if is_trusted else "")
    name = service.add_user()

    def guess(number: int, forwarded: str) -> int:
        client = service.client(name, f"wrong {number}")
        return client.get("/image", headers={"X-Forwarded-For": forwarded}).status_code

    # the proxy itself has added the last address
    seen = [guess(number, f"203.0.113.{number}, 192.0.2.1") for number in range(6)]
    assert seen == [401] * 5 + [429]
    assert guess(6, "192.0.2.2") == (401 if is_trusted else 429)


@pytest.mark.parametrize("path", ["/image/x", "/image/x/content", "/image/x/preview"])
def test_the_guid_is_validated_before_the_password(service: RunningService, path: str) -> None:
    stranger = service.client(service.add_user(), "a wrong password")
    for method in ("GET", "HEAD"):
        assert stranger.request(method, path).status_code == 422
    assert stranger.patch("/image/x", content=b"{").status_code == 401
    assert service.sign_in().patch("/image/x", content=b"{").status_code == 422
