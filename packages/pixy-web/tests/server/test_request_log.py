"""The request log: always one START and one END line for each request, in the format."""

import json
import re
import socket
import time
from base64 import b64encode
from collections.abc import Callable

import pytest
from fastapi.routing import APIRoute

from log_format import END, LINE, START
from pixy_web.api import private_images
from pixy_web.runtime import get_private_images, sign_in
from pixy_web.server.request_log import RequestIds, log_request
from running_service import PASSWORD, RunningService


def texts(service: RunningService) -> list[str]:
    lines = []
    for line in service.log_lines():
        match = LINE.fullmatch(line)
        assert match, line
        lines.append(match["message"])
    return [text for text in lines if text.startswith("REQUEST")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/image", 200),
        ("HEAD", "/image?limit=1", 200),
        ("POST", "/image", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/image/00000000-0000-4000-8000-000000000000", 404),
        ("PUT", "/image", 405),
        ("GET", "/image/1", 422),
        ("GET", "/", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/health/live", 200),
    ],
)
def test_each_request_logs_one_start_and_one_end(
    fresh: RunningService, method: str, path: str, status: int
) -> None:
    fresh.client().request(method, path)
    start, end = texts(fresh)
    assert start == f"REQUEST START {method} {path.partition('?')[0]}"
    assert re.fullmatch(rf"REQUEST END {status} \d+ms", end)


@pytest.mark.parametrize("sign", ["_", "%5f"])
def test_a_key_in_a_path_is_masked(fresh: RunningService, sign: str) -> None:
    secret = "x" * 43
    fresh.client().get(f"/v1/models/pixy{sign}0123456789{sign}{secret}/more")
    start, _ = texts(fresh)
    assert start == f"REQUEST START GET /v1/models/pixy{sign}0123456789{sign}***/more"


def test_both_lines_carry_the_id_that_the_answer_has(fresh: RunningService) -> None:
    request_id = fresh.client().get("/image").headers["x-request-id"]
    lines = [line for line in fresh.log_lines() if "REQUEST" in line]
    assert [LINE.fullmatch(line)["request_id"] for line in lines] == [request_id] * 2  # type: ignore[index]


def test_lines_of_lower_layers_carry_the_request_id(fresh: RunningService) -> None:
    client = fresh.sign_in()
    guid = fresh.make_image(client)["guid"]
    next(fresh.settings.data_dir.rglob(f"{guid}.png")).unlink()
    request_id = client.get(f"/image/{guid}/content").headers["x-request-id"]
    lines = [line for line in fresh.log_lines() if guid in line and " ERROR " in line]
    assert lines
    assert all(LINE.fullmatch(line)["request_id"] == request_id for line in lines)  # type: ignore[index]


@pytest.mark.parametrize("caller", ["stranger", "owner"])
def test_start_is_the_first_line_of_a_request(fresh: RunningService, caller: str) -> None:
    owner = fresh.sign_in()
    guid = fresh.make_image(owner, visibility="public")["guid"]
    next(fresh.settings.data_dir.rglob(f"{guid}.png")).unlink()
    client = owner if caller == "owner" else fresh.client()
    request_id = client.get(f"/image/{guid}/content").headers["x-request-id"]
    lines = [line for line in fresh.log_lines() if f" {request_id} " in line]
    assert len(lines) > 2
    assert "REQUEST START" in lines[0]
    assert "REQUEST END" in lines[-1]


def test_a_client_that_hangs_up_is_logged_as_499(fresh: RunningService) -> None:
    host, port = fresh.url.removeprefix("http://").split(":")
    token = b64encode(f"{fresh.add_user()}:{PASSWORD}".encode())
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /image HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Basic " + token + b"\r\nContent-Length: 1000\r\n\r\n{"
        )
        while "REQUEST START" not in fresh.log.getvalue():
            time.sleep(0.01)
    start, end = texts(fresh)
    assert start == "REQUEST START POST /image"
    assert re.fullmatch(r"REQUEST END 499 \d+ms user=\w+", end)


def test_nothing_in_a_request_breaks_or_forges_a_line(fresh: RunningService) -> None:
    client = fresh.client("a\x1b[31m\x00b", "p")
    for path in ("/%0a2026-01-01 forged", "/image/%0d%0aREQUEST END", "/%1b[31m", "/\u2028"):
        client.get(path)
        fresh.client().get(path)
    assert len(texts(fresh)) == 16
    assert all(START.fullmatch(line) or END.fullmatch(line) for line in texts(fresh))


def test_request_ids_never_repeat() -> None:
    ids = RequestIds()
    made = [ids.next() for _ in range(5000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)


def test_every_private_route_logs_its_start_and_then_asks_for_credentials() -> None:
    routes = [route for route in private_images.router.routes if isinstance(route, APIRoute)]
    assert len(routes) == 14
    for route in routes:
        first, second = (dependency.call for dependency in route.dependant.dependencies)
        assert first is log_request, route.path
        assert second in (get_private_images, sign_in), route.path


def test_every_start_is_logged_by_the_same_function(
    fresh: RunningService,
) -> None:
    for client in (fresh.client(), fresh.sign_in()):
        client.get("/image/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11")
    starts = [line for line in fresh.log_lines() if "REQUEST START" in line]
    assert [line.count("[log_request:") for line in starts] == [1, 1]


def ends(service: RunningService) -> list[str]:
    return [text for text in texts(service) if text.startswith("REQUEST END")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/image", 200),
        ("GET", "/image?q=boat", 200),
        ("GET", "/image/00000000-0000-4000-8000-000000000000", 404),
        ("GET", "/image/00000000-0000-4000-8000-000000000000/content", 404),
        ("POST", "/image", 415),
        ("POST", "/image/upload", 415),
        ("GET", "/key", 200),
    ],
)
def test_the_end_of_a_signed_in_request_has_the_user(
    fresh: RunningService, method: str, path: str, status: int
) -> None:
    client = fresh.client(fresh.add_user("ada"))
    for _ in range(2):  # the password is hashed, and then remembered
        client.request(method, path)
    for end in ends(fresh):
        assert re.fullmatch(rf"REQUEST END {status} \d+ms user=ada", end)


def test_the_end_of_a_request_with_a_key_has_its_owner(fresh: RunningService) -> None:
    client = fresh.key_client(fresh.add_user("ada"))
    client.get("/image")
    client.get("/v1/models")
    client.delete("/image/00000000-0000-4000-8000-000000000000")
    with_user, on_v1, without_scope = ends(fresh)
    assert with_user.endswith("ms user=ada")
    assert on_v1.endswith("ms user=ada")
    assert re.fullmatch(r"REQUEST END 403 \d+ms", without_scope)


def test_the_end_of_a_request_with_wrong_credentials_has_no_user(fresh: RunningService) -> None:
    fresh.client(fresh.add_user("ada"), "wrong password").get("/image")
    fresh.client().get("/image")
    assert all(re.fullmatch(r"REQUEST END \d+ \d+ms", end) for end in ends(fresh))


NAMES = [
    "ada.lovelace+x@example.org",
    "Ådä_Łovelace",
    "a da",
    "x user=root",
    'x" user="root',
    "x\\",
    "a\u2028REQUEST END 200 1ms\u2029",
    "\N{SNOWMAN}" * 63 + "a",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_or_forges_a_line(fresh: RunningService, name: str) -> None:
    if name.endswith("\u2029"):
        name += "b"
    fresh.client(fresh.add_user(name)).get("/image")
    (end,) = ends(fresh)
    match = END.fullmatch(end)
    assert match
    logged = match["user"]
    assert (json.loads(logged) if logged.startswith('"') else logged) == name


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\x1b[31m", "a\x85b", "a\u202eb"])
def test_a_name_with_control_or_format_characters_signs_nobody_in(
    fresh: RunningService, name: str
) -> None:
    fresh.client(name).get("/image")
    (end,) = ends(fresh)
    assert re.fullmatch(r"REQUEST END 401 \d+ms", end)


StartService = Callable[..., RunningService]


def test_requests_in_json_have_their_facts_as_members(start_service: StartService) -> None:
    service = start_service(log_format="json")
    name = 'x" user=\u2028"root'
    response = service.client(service.add_user(name)).get("/image")
    lines = [json.loads(line) for line in service.log_lines()]
    start, end = (line for line in lines if line["message"].startswith("REQUEST"))
    for line in (start, end):
        assert line["request_id"] == response.headers["x-request-id"]
        assert (line["method"], line["path"]) == ("GET", "/image")
    assert "user" not in start
    assert "status" not in start
    assert (end["user"], end["status"]) == (name, 200)
    assert end["duration_ms"] > 0
    assert end["message"].startswith("REQUEST END 200 ")


def test_a_stranger_s_request_in_json_has_no_user(start_service: StartService) -> None:
    service = start_service(log_format="json")
    service.client().get("/%0d%0anowhere")
    start, end = (json.loads(line) for line in service.log_lines() if '"path"' in line)
    assert start["path"] == "/%0d%0anowhere"
    assert end["status"] == 404
    assert "user" not in end
