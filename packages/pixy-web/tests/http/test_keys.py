"""API keys over HTTP: cases C920 to C930, except those that test_scopes.py walks."""

import json
import logging
import re
from base64 import b64encode
from typing import Any

import httpx2
import pytest

from pixy_service import open_keys
from running_service import PASSWORD, RunningService

TOKEN = re.compile(r"pixy_[A-Za-z0-9]{10}_[A-Za-z0-9]{43}")
UNKNOWN = f"pixy_{'0' * 10}_{'0' * 43}"
KEY_CHALLENGE = (
    'Basic realm="PixyProxy", charset="UTF-8", Bearer realm="PixyProxy", error="invalid_token"'
)
MEMBERS = {
    *("id", "owner", "name", "scopes"),
    *("created_at", "expires_at", "last_used_at", "revoked_at"),
}


def make_key(client: httpx2.Client, **members: Any) -> dict[str, Any]:
    answer = client.post("/key", json={"name": "laptop", **members})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.case("C920")
def test_a_new_key_is_shown_once_and_never_cached(service: RunningService) -> None:
    name = service.add_user()
    client = service.client(name)
    wanted = {"name": "n8n: Zürich", "scopes": ["create", "read"], "expires_in_days": 30}
    answer = client.post("/key", json=wanted)
    key = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "private, no-store")
    assert set(key) == MEMBERS | {"key"}
    assert TOKEN.fullmatch(key["key"])
    assert key["key"].split("_")[1] == key["id"]
    assert (key["owner"], key["name"], key["scopes"]) == (name, "n8n: Zürich", ["read", "create"])
    assert key["expires_at"] > key["created_at"]
    assert (key["last_used_at"], key["revoked_at"]) == (None, None)
    listed = client.get("/key")
    assert listed.headers["cache-control"] == "private, no-store"
    assert listed.json() == [{member: key[member] for member in MEMBERS}]
    assert not TOKEN.search(listed.text)


@pytest.mark.case("C920")
def test_a_key_may_only_read_and_does_not_expire_unless_more_is_asked_for(
    service: RunningService,
) -> None:
    key = make_key(service.sign_in())
    assert (key["scopes"], key["expires_at"]) == (["read"], None)


@pytest.mark.case("C921")
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": " a"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": "read"}, "scopes"),
        ({"name": "a", "scopes": ["admin"]}, "scopes"),
        ({"name": "a", "expires_in_days": 0}, "expires_in_days"),
        ({"name": "a", "expires_in_days": 3651}, "expires_in_days"),
        ({"name": "a", "expires_in_days": "7"}, "expires_in_days"),
        ({"name": "a", "key": "pixy_"}, "key"),
    ],
)
def test_a_request_for_a_key_that_breaks_a_rule_is_refused(
    service: RunningService, body: dict[str, Any], place: str
) -> None:
    answer = service.sign_in().post("/key", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    error = answer.json()["errors"][0]
    assert error["location"][:2] == ["body", place]
    assert error["reason"].startswith(("must ", "is not known"))


@pytest.mark.case("C921")
def test_a_user_has_a_limited_number_of_keys(service: RunningService) -> None:
    name = service.add_user()
    with open_keys(service.settings.database_url.get_secret_value()) as keys:
        for _ in range(100):
            last = keys.add_key(name, "one of many")
    client = service.client(name)
    answer = client.post("/key", json={"name": "one too many"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")
    assert client.delete(f"/key/{last.key.id}").status_code == 204
    make_key(client)


@pytest.mark.case("C922")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_key_signs_in_as_a_bearer_token(service: RunningService, scheme: str) -> None:
    client = service.sign_in()
    image = service.make_image(client)
    token = make_key(client)["key"]
    header = {"Authorization": f"{scheme} {token}"}
    for path in (f"/image/{image['guid']}", "/image", "/image?q=lighthouse&mine=true"):
        assert service.client().get(path, headers=header).json() == client.get(path).json()
    content = service.client().get(f"/image/{image['guid']}/content", headers=header)
    assert (content.status_code, len(content.content)) == (200, image["size"])
    assert content.headers["cache-control"] == "private, no-store"


@pytest.mark.case("C923")
def test_a_key_is_the_password_of_its_owner(service: RunningService) -> None:
    name, other = service.add_user(), service.add_user()
    token = make_key(service.client(name))["key"]
    assert service.client(name, token).get("/image").status_code == 200
    for user in (other, "nobody", name.upper(), "a" * 65):
        answer = service.client(user, token).get("/image")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")
    empty = b64encode(f":{token}".encode()).decode()
    answer = service.client().get("/image", headers={"Authorization": f"Basic {empty}"})
    assert answer.status_code == 401


@pytest.mark.case("C926")
@pytest.mark.parametrize(
    "token", ["", "token", UNKNOWN, f"{UNKNOWN}0", UNKNOWN.upper(), f"{UNKNOWN} x", "pixy_é"]
)
def test_a_wrong_key_is_refused_with_a_challenge(service: RunningService, token: str) -> None:
    public = service.make_image(service.sign_in(), visibility="public")["guid"]
    header = {"Authorization": f"Bearer {token}".strip().encode()}
    for path in ("/image", f"/image/{public}", f"/image/{public}/content", "/key"):
        answer = service.client().get(path, headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")
        assert answer.headers["www-authenticate"] == KEY_CHALLENGE


@pytest.mark.case("C926")
def test_unknown_expired_revoked_and_another_user_s_look_the_same(service: RunningService) -> None:
    name, other = service.add_user(), service.add_user()
    client = service.client(name)
    revoked, valid = make_key(client), make_key(client)
    client.delete(f"/key/{revoked['id']}")
    answers = [
        service.client(user, token).get("/image")
        for user, token in ((name, UNKNOWN), (name, revoked["key"]), (other, valid["key"]))
    ]
    bodies = [{**answer.json(), "request_id": None} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]


@pytest.mark.case("C926")
def test_wrong_keys_don_t_count_as_wrong_passwords(service: RunningService) -> None:
    name = service.add_user()
    liar = service.client(name, UNKNOWN)
    assert {liar.get("/image").status_code for _ in range(8)} == {401}
    assert service.client(name).get("/image").status_code == 200


@pytest.mark.case("C926")
def test_a_key_works_while_wrong_passwords_are_told_to_wait(service: RunningService) -> None:
    name = service.add_user()
    token = make_key(service.client(name))["key"]
    for number in range(6):
        answer = service.client(name, f"wrong {number}").get("/image")
    assert answer.status_code == 429
    assert service.client().get("/image", headers=bearer(token)).status_code == 200


@pytest.mark.case("C927")
def test_a_revoked_key_is_refused_at_once_and_stays_in_the_list(service: RunningService) -> None:
    client = service.sign_in()
    guid = service.make_image(client)["guid"]
    key, other = make_key(client), make_key(client)
    keyed = service.client()
    paths = ("/image", f"/image/{guid}", f"/image/{guid}/content", f"/image/{guid}/preview")
    for path in paths:
        assert keyed.get(path, headers=bearer(key["key"])).status_code in (200, 303)
    answer = client.delete(f"/key/{key['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    for path in paths:
        assert keyed.get(path, headers=bearer(key["key"])).status_code == 401
    assert keyed.get("/image", headers=bearer(other["key"])).status_code == 200
    listed = client.get("/key").json()
    assert [entry["id"] for entry in listed] == [other["id"], key["id"]]
    assert [entry["revoked_at"] is None for entry in listed] == [True, False]
    assert client.delete(f"/key/{key['id']}").status_code == 404


@pytest.mark.case("C927")
def test_a_key_of_a_disabled_user_is_refused_at_once(service: RunningService) -> None:
    name = service.add_user()
    token = make_key(service.client(name))["key"]
    for change, status in (("disable_user", 401), ("enable_user", 200)):
        with service.open_users() as users:
            getattr(users, change)(name)
        assert service.client().get("/image", headers=bearer(token)).status_code == status


@pytest.mark.case("C928")
def test_a_rotated_key_is_a_new_key_with_the_same_id(service: RunningService) -> None:
    client = service.sign_in()
    key = make_key(client, scopes=["read", "change"], expires_in_days=7)
    answer = client.post(f"/key/{key['id']}/rotation")
    rotated = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
    assert {**rotated, "key": None} == {**key, "key": None}
    assert rotated["key"] != key["key"]
    keyed = service.client()
    assert keyed.get("/image", headers=bearer(key["key"])).status_code == 401
    assert keyed.get("/image", headers=bearer(rotated["key"])).status_code == 200
    client.delete(f"/key/{key['id']}")
    assert client.post(f"/key/{key['id']}/rotation").status_code == 404


@pytest.mark.case("C928")
@pytest.mark.parametrize(("method", "below"), [("DELETE", ""), ("POST", "/rotation")])
def test_another_user_s_key_is_not_there(service: RunningService, method: str, below: str) -> None:
    key, other = make_key(service.sign_in()), service.sign_in()
    answer = other.request(method, f"/key/{key['id']}{below}")
    absent = other.request(method, f"/key/{'0' * 10}{below}")
    assert (answer.status_code, answer.json()["code"]) == (404, "record_not_found")
    assert {**answer.json(), "request_id": None} == {**absent.json(), "request_id": None}
    assert other.get("/key").json() == []
    assert service.client().get("/image", headers=bearer(key["key"])).status_code == 200
    malformed = other.request(method, f"/key/x{below}")
    assert malformed.status_code == 422
    assert malformed.json()["errors"][0]["location"] == ["path", "id"]


@pytest.mark.case("C925")
def test_the_routes_of_keys_need_a_password(service: RunningService) -> None:
    for method, path in (
        ("GET", "/key"),
        ("POST", "/key"),
        ("DELETE", f"/key/{'0' * 10}"),
        ("POST", f"/key/{'0' * 10}/rotation"),
    ):
        answer = service.client().request(method, path, content=b"{")
        assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")
    name = service.add_user()
    token = make_key(service.client(name), scopes=["read", "create", "change"])["key"]
    for keyed in (service.client(name, token), service.client()):
        headers = {} if keyed.auth else bearer(token)
        answer = keyed.post("/key", content=b"{", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "password_required")
    assert len(service.client(name).get("/key").json()) == 1


@pytest.mark.case("C925")
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/key"), ("DELETE", "/key/{}"), ("POST", "/key/{}/rotation")],
)
def test_no_page_of_another_site_changes_keys(
    service: RunningService, method: str, path: str
) -> None:
    client = service.sign_in()
    key = make_key(client)
    answer = client.request(
        method,
        path.format(key["id"]),
        json={"name": "stolen"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert [entry["revoked_at"] for entry in client.get("/key").json()] == [None]


@pytest.mark.case("C929")
def test_the_last_use_is_shown_to_the_minute(fresh: RunningService) -> None:
    client = fresh.sign_in()
    key = make_key(client)
    assert fresh.client().get("/image", headers=bearer(key["key"])).status_code == 200
    fresh.stop()
    with open_keys(fresh.settings.database_url.get_secret_value()) as keys:
        (stored,) = keys.list_keys()
    assert stored.last_used_at is not None
    assert stored.last_used_at > stored.created_at


@pytest.mark.case("C930")
def test_no_key_is_in_the_log_an_error_a_url_or_the_database(
    fresh: RunningService, caplog: pytest.LogCaptureFixture
) -> None:
    service = fresh
    for logger in ("pixy_web", "pixy_service", "pixy_data", "uvicorn", "fastapi", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=logger)
    name = service.add_user()
    client = service.client(name)
    key = make_key(client, scopes=["read", "create", "change"])
    rotated = client.post(f"/key/{key['id']}/rotation").json()
    secrets = [key["key"].split("_")[2], rotated["key"].split("_")[2], "S" * 43]
    seen: list[str] = []
    for token in (key["key"], rotated["key"], f"pixy_{key['id']}_{'S' * 43}"):
        for headers in (
            bearer(token),
            {"Authorization": f"Basic {b64encode(f'{name}:{token}'.encode()).decode()}"},
            {"Authorization": f"Digest {token}"},
        ):
            for method, path in (
                *(("GET", path) for path in ("/image", "/image/x", "/key", "/nowhere")),
                *(("POST", "/image"), ("PATCH", "/image/x"), ("POST", "/key")),
            ):
                answer = service.client().request(method, path, headers=headers, content=b"{")
                seen += [answer.text, str(answer.headers)]
    seen += [client.get("/key").text, json.dumps(service.log_lines())]
    for secret in secrets:
        assert not [text for text in seen if secret in text]
    for path in service.settings.data_dir.rglob("*"):
        if path.is_file():
            assert not [secret for secret in secrets if secret.encode() in path.read_bytes()]


@pytest.mark.case("C930")
def test_a_key_in_the_address_is_no_credential(service: RunningService) -> None:
    client = service.sign_in()
    token = make_key(client)["key"]
    answer = service.client().get(f"/image?access_token={token}")
    assert answer.status_code == 422
    assert service.client().get("/key", params={"key": token}).status_code == 401
    assert PASSWORD not in answer.text
