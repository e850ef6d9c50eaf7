"""The request log: one START and one END for each request, in the format, whatever happens."""

import re
import socket
import time
from base64 import b64encode

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from log_format import END, LINE, START
from pixy_web import private_images
from pixy_web.dependencies import get_private_images
from pixy_web.request_log import RequestIds
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


def test_every_private_route_depends_on_what_logs_its_start_and_reads_its_credentials() -> None:
    def list_calls(dependant: Dependant) -> list[object]:
        return [
            dependant.call,
            *(call for sub in dependant.dependencies for call in list_calls(sub)),
        ]

    routes = [route for route in private_images.router.routes if isinstance(route, APIRoute)]
    assert len(routes) == 11
    for route in routes:
        assert get_private_images in list_calls(route.dependant), route.path


def test_the_start_of_a_private_request_is_logged_where_every_other_is(
    fresh: RunningService,
) -> None:
    for client in (fresh.client(), fresh.sign_in()):
        client.get("/image/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11")
    starts = [line for line in fresh.log_lines() if "REQUEST START" in line]
    assert [line.count("[log_request:") for line in starts] == [1, 1]
