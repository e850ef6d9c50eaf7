"""The request log: one START and one END for each request, in the format, whatever happens."""

import re
import socket
import time
from base64 import b64encode

import pytest
from fastapi.routing import APIRoute

from log_format import END, LINE, START
from pixy_web.api import private_images
from pixy_web.http.credentials import get_private_images, sign_in
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
    assert re.fullmatch(r"REQUEST END 499 \d+ms", end)


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
    assert len(routes) == 11
    for route in routes:
        first, second = (dependency.call for dependency in route.dependant.dependencies)
        assert first is log_request, route.path
        assert second in (get_private_images, sign_in), route.path


def test_the_start_of_a_private_request_is_logged_where_every_other_is(
    fresh: RunningService,
) -> None:
    for client in (fresh.client(), fresh.sign_in()):
        client.get("/image/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11")
    starts = [line for line in fresh.log_lines() if "REQUEST START" in line]
    assert [line.count("[log_request:") for line in starts] == [1, 1]
