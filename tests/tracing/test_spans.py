"""What the spans of a server with two workers hold, and which traces they continue."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from edited_pictures import make_rgba_png
from installed_pixy import PASSWORD, InstalledPixy
from new_users import add_key
from otlp_receiver import OtlpReceiver, Span
from provider import Provider

USER = "adelheid"
PROMPT = "an unmistakable lighthouse"
PROXY = "127.0.0.1"
STRANGER = "127.0.0.2"


@dataclass
class Trace:
    """A trace that a proxy began; the requests of a test continue it."""

    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    span_id: str = field(default_factory=lambda: secrets.token_hex(8))
    flags: str = "01"

    @property
    def headers(self) -> dict[str, str]:
        return {"traceparent": f"00-{self.trace_id}-{self.span_id}-{self.flags}"}


@pytest.fixture(scope="module")
def pixy(make_pixy: Callable[..., InstalledPixy]) -> InstalledPixy:
    """A server that trusts one of the two addresses that clients have."""
    pixy = make_pixy(PIXY_TRUSTED_PROXIES=PROXY, PIXY_WORKERS="2")
    pixy.add_user(USER)
    pixy.start()
    return pixy


@pytest.fixture(autouse=True)
def usual_answer(provider: Provider) -> None:
    provider.behave("png")


def connect(pixy: InstalledPixy, address: str, user: str | None = None) -> httpx2.Client:
    """Return a client with this address."""
    return httpx2.Client(
        base_url=pixy.url,
        auth=(user, PASSWORD) if user else None,
        transport=httpx2.HTTPTransport(local_address=address, verify=False),
        timeout=30,
    )


@pytest.fixture
def ada(pixy: InstalledPixy) -> Iterator[httpx2.Client]:
    """A signed-in client behind the proxy."""
    with connect(pixy, PROXY, USER) as client:
        yield client


@pytest.fixture(scope="module")
def key(pixy: InstalledPixy) -> str:
    """An API key of the same user."""
    return add_key(pixy.database_url, USER, "read", "create")


@pytest.fixture
def program(pixy: InstalledPixy, key: str) -> Iterator[httpx2.Client]:
    """A client of the OpenAI API behind the proxy."""
    with connect(pixy, PROXY) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


@pytest.fixture
def stranger(pixy: InstalledPixy) -> Iterator[httpx2.Client]:
    """A client that is no proxy."""
    with connect(pixy, STRANGER) as client:
        yield client


def find_log(pixy: InstalledPixy, answer: httpx2.Response) -> list[dict[str, Any]]:
    """Wait for the END line of an answered request, and return all its lines."""
    request_id, deadline = answer.headers["x-request-id"], time.monotonic() + 30
    while True:
        found = [json.loads(line) for line in pixy.log.splitlines() if request_id in line]
        if any(line["message"].startswith("REQUEST END") for line in found):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for(receiver: OtlpReceiver, trace_id: str, count: int = 1) -> list[Span]:
    """Wait for the spans of a trace; the request's own ends last."""
    return receiver.wait_for(lambda span: span.trace_id == trace_id, count)


def make_image(client: httpx2.Client, **more: Any) -> dict[str, Any]:
    answer = client.post("/image", json={"prompt": PROMPT, **more})
    assert answer.status_code == 201, answer.text
    details: dict[str, Any] = answer.json()
    return details


@pytest.fixture(scope="module")
def guid(pixy: InstalledPixy) -> str:
    """An image of the user."""
    with connect(pixy, PROXY, USER) as client:
        return str(make_image(client)["guid"])


@pytest.mark.parametrize(
    ("first_line", "expected"),
    [
        ("GET /image", (200, "/image")),
        ("GET /image?q=lighthouse&limit=1", (200, "/image")),
        ("GET /image/{guid}", (200, "/image/{guid}")),
        ("HEAD /image/{guid}", (200, "/image/{guid}")),
        ("GET /image/{guid}/content", (200, "/image/{guid}/content")),
        ("GET /image/00000000-0000-4000-8000-000000000000", (404, "/image/{guid}")),
        ("GET /image/nonsense", (422, "/image/{guid}")),
        ("PATCH /image/{guid}", (415, "/image/{guid}")),
        ("PUT /image", (405, "/image")),
        ("GET /v1/models", (401, "/v1/models")),
        ("GET /nowhere", (404, None)),
        ("GET /", (200, "/")),
    ],
)
def test_a_request_has_a_span_with_route_and_status(
    ada: httpx2.Client,
    receiver: OtlpReceiver,
    guid: str,
    first_line: str,
    expected: tuple[int, str | None],
) -> None:
    method, path = first_line.split()
    status, route = expected
    trace = Trace()
    answer = ada.request(method, path.replace("{guid}", guid), headers=trace.headers)
    assert answer.status_code == status, answer.text
    (span,) = wait_for(receiver, trace.trace_id)
    assert span.name == (f"{method} {route}" if route else method)
    assert span.kind == "SERVER"
    assert span.parent_id == trace.span_id
    assert span.attributes == {
        "http.request.method": method,
        "http.response.status_code": status,
        "network.protocol.version": "1.1",
        "url.scheme": "http",
        **({"http.route": route} if route else {}),
    }
    assert not span.is_error
    assert span.resource["service.name"] == "pixyproxy"
    assert span.resource["service.version"]


def test_an_unknown_method_is_not_in_the_span(ada: httpx2.Client, receiver: OtlpReceiver) -> None:
    trace = Trace()
    # a method of WebDAV, which the parser knows
    answer = ada.request("PROPFIND", "/image", headers=trace.headers)
    assert answer.status_code == 405
    (span,) = wait_for(receiver, trace.trace_id)
    assert span.name == "HTTP /image"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert b"PROPFIND" not in b"".join(receiver.bodies)


def test_a_failed_request_is_an_error_without_a_message(
    pixy: InstalledPixy, ada: httpx2.Client, receiver: OtlpReceiver
) -> None:
    image = make_image(ada)
    (file,) = (pixy.folder / "pixy-data" / "images").rglob(image["filename"])
    Path(file).unlink()
    trace = Trace()
    answer = ada.get(f"/image/{image['guid']}/content", headers=trace.headers)
    assert answer.status_code == 500, answer.text
    (span,) = wait_for(receiver, trace.trace_id)
    assert span.is_error
    assert span.attributes["error.type"] == "500"
    assert (span.message, span.events) == ("", 0)


def test_a_create_has_a_span_for_the_provider(
    ada: httpx2.Client, receiver: OtlpReceiver, provider: Provider
) -> None:
    trace = Trace()
    answer = ada.post("/image", json={"prompt": PROMPT}, headers=trace.headers)
    assert answer.status_code == 201
    call, request = wait_for(receiver, trace.trace_id, 2)
    assert request.name == "POST /image"
    assert call.name == "POST /v1/images/generations"
    assert call.kind == "CLIENT"
    assert call.parent_id == request.span_id
    port = int(provider.base_url.removesuffix("/v1").rpartition(":")[2])
    assert call.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.template": "/v1/images/generations",
        "server.address": "127.0.0.1",
        "server.port": port,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-image-2.6-flare",
    }
    assert not call.is_error
    assert 0 < call.nanoseconds <= request.nanoseconds


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("moderation_blocked", (422, 400, "PromptRejectedError")),
        ("unauthorized", (502, 401, "GeneratorKeyError")),
        ("reset", (502, None, "GenerationUnknownError")),
    ],
)
def test_a_refused_or_broken_call_is_an_error_without_a_message(
    ada: httpx2.Client,
    receiver: OtlpReceiver,
    provider: Provider,
    behaviour: str,
    expected: tuple[int, int | None, str],
) -> None:
    answered, status, error = expected
    provider.behave(behaviour)
    trace = Trace()
    answer = ada.post("/image", json={"prompt": PROMPT}, headers=trace.headers)
    assert answer.status_code == answered, answer.text
    call, request = wait_for(receiver, trace.trace_id, 2)
    assert call.is_error
    assert call.attributes["error.type"] == error
    assert call.attributes.get("http.response.status_code") == status
    assert (call.message, call.events) == ("", 0)
    assert request.is_error == (answered >= 500)


def test_an_edit_names_its_own_operation(program: httpx2.Client, receiver: OtlpReceiver) -> None:
    trace = Trace()
    form = {"prompt": PROMPT}
    files = {"image": ("a.png", make_rgba_png(64, 48, (9, 9, 9, 255)), "image/png")}
    answer = program.post("/v1/images/edits", data=form, files=files, headers=trace.headers)
    assert answer.status_code == 200, answer.text
    call, request = wait_for(receiver, trace.trace_id, 2)
    assert (call.name, request.name) == ("POST /v1/images/edits", "POST /v1/images/edits")
    assert (call.kind, request.kind) == ("CLIENT", "SERVER")


def test_several_images_have_a_span_each(program: httpx2.Client, receiver: OtlpReceiver) -> None:
    trace = Trace()
    body = {"prompt": PROMPT, "n": 2}
    answer = program.post("/v1/images/generations", json=body, headers=trace.headers)
    assert answer.status_code == 200, answer.text
    *calls, request = wait_for(receiver, trace.trace_id, 3)
    assert [call.parent_id for call in calls] == [request.span_id] * 2


def test_the_span_of_a_stream_lasts_until_its_end(
    program: httpx2.Client, receiver: OtlpReceiver
) -> None:
    trace = Trace()
    body = {"prompt": PROMPT, "stream": True, "partial_images": 1}
    answer = program.post("/v1/images/generations", json=body, headers=trace.headers)
    assert "image_generation.completed" in answer.text
    call, request = wait_for(receiver, trace.trace_id, 2)
    assert request.name == "POST /v1/images/generations"
    assert request.kind == "SERVER"
    assert call.parent_id == request.span_id
    assert call.nanoseconds <= request.nanoseconds


def test_a_client_that_is_no_proxy_begins_a_new_trace(
    pixy: InstalledPixy, stranger: httpx2.Client, receiver: OtlpReceiver
) -> None:
    trace = Trace()
    claims = {"tracestate": "vendor=secretstate", "baggage": "user=secretbaggage"}
    claims["x-forwarded-for"] = PROXY
    answer = stranger.get("/image", headers=trace.headers | claims)
    (trace_id,) = {line["trace_id"] for line in find_log(pixy, answer)}
    assert trace_id != trace.trace_id
    (span,) = wait_for(receiver, trace_id)
    assert (span.parent_id, span.trace_state) == ("", "")
    assert [span for span in receiver.spans if span.trace_id == trace.trace_id] == []


def test_a_client_that_is_no_proxy_can_not_switch_its_span_off(
    pixy: InstalledPixy, stranger: httpx2.Client, receiver: OtlpReceiver
) -> None:
    answer = stranger.get("/image", headers=Trace(flags="00").headers)
    wait_for(receiver, find_log(pixy, answer)[0]["trace_id"])


def test_a_proxy_is_believed_whoever_its_client_is(
    ada: httpx2.Client, receiver: OtlpReceiver
) -> None:
    trace = Trace()
    told = {"tracestate": "vendor=1", "x-forwarded-for": "203.0.113.9"}
    ada.get("/image", headers=trace.headers | told)
    (span,) = wait_for(receiver, trace.trace_id)
    assert (span.parent_id, span.trace_state) == (trace.span_id, "vendor=1")


def test_a_proxy_may_switch_a_span_off(
    pixy: InstalledPixy, ada: httpx2.Client, receiver: OtlpReceiver
) -> None:
    off, on = Trace(flags="00"), Trace()
    answer = ada.get("/image", headers=off.headers)
    ada.get("/image", headers=on.headers)
    wait_for(receiver, on.trace_id)
    assert [span for span in receiver.spans if span.trace_id == off.trace_id] == []
    assert {line["trace_id"] for line in find_log(pixy, answer)} == {off.trace_id}


@pytest.mark.parametrize(
    "parents",
    [
        ["00-0-0-01"],
        [f"00-{'0' * 32}-{'1' * 16}-01"],
        [f"ff-{'a' * 32}-{'1' * 16}-01"],
        [f"00-{'a' * 32}-{'1' * 16}-01", f"00-{'b' * 32}-{'1' * 16}-01"],
    ],
)
def test_a_malformed_parent_begins_a_new_trace(
    pixy: InstalledPixy, ada: httpx2.Client, receiver: OtlpReceiver, parents: list[str]
) -> None:
    answer = ada.get("/image", headers=[("traceparent", parent) for parent in parents])
    assert answer.status_code == 200
    (span,) = wait_for(receiver, find_log(pixy, answer)[0]["trace_id"])
    assert span.parent_id == ""
    assert span.trace_id not in {"a" * 32, "b" * 32, "0" * 32}


def test_a_health_check_has_no_span(
    pixy: InstalledPixy, ada: httpx2.Client, receiver: OtlpReceiver
) -> None:
    checked, trace = Trace(), Trace()
    for path in ("/health/live", "/health/ready"):
        answer = ada.get(path, headers=checked.headers)
        assert answer.status_code == 200
        assert all("trace_id" not in line for line in find_log(pixy, answer))
    ada.get("/image", headers=trace.headers)
    wait_for(receiver, trace.trace_id)
    assert [span for span in receiver.spans if span.trace_id == checked.trace_id] == []


def test_the_lines_of_a_request_have_its_trace(pixy: InstalledPixy, ada: httpx2.Client) -> None:
    trace = Trace()
    answer = ada.post("/image", json={"prompt": PROMPT}, headers=trace.headers)
    lines = find_log(pixy, answer)
    messages = [line["message"] for line in lines]
    assert any(message.startswith("REQUEST START") for message in messages)
    # of the thread that makes the image
    assert any(message.startswith("the provider answered") for message in messages)
    assert {line["trace_id"] for line in lines} == {trace.trace_id}


def test_the_provider_gets_no_trace(ada: httpx2.Client, provider: Provider) -> None:
    told = {**Trace().headers, "tracestate": "vendor=1", "baggage": "a=b"}
    assert ada.post("/image", json={"prompt": PROMPT}, headers=told).status_code == 201
    sent = {name.lower() for name in provider.requests[-1].headers}
    assert "authorization" in sent
    assert not sent & {"traceparent", "tracestate", "baggage"}


def test_nothing_private_is_exported(
    pixy: InstalledPixy,
    ada: httpx2.Client,
    program: httpx2.Client,
    key: str,
    receiver: OtlpReceiver,
) -> None:
    image = make_image(ada)
    path = f"/image/{image['guid']}"
    headers = {
        "baggage": "who=secretbaggage",
        "idempotency-key": "secretidempotency",
        "user-agent": "secretagent",
        "x-secret": "secretheader",
    }
    for sent in ("/image?q=secretword", path, f"{path}/content", "/secretpath"):
        ada.get(sent, headers=headers)
    ada.get("/image", auth=("secretuser", "secretpassword"))
    ada.post("/image", json={"prompt": "secretprompt"}, headers=headers)
    ada.post("/image", json={"secretmember": 1})
    ada.get("/image", headers={"host": "secrethost.example"})
    program.post("/v1/images/generations", json={"prompt": PROMPT})
    program.get(f"/image/{key}")
    trace = Trace()
    ada.delete(path, headers=trace.headers)
    wait_for(receiver, trace.trace_id)
    exported = b"".join(receiver.bodies)
    assert b"/image/{guid}" in exported
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    for text in ("secret", PROMPT, USER, PASSWORD, image["guid"], image["filename"], "sk-of"):
        assert text.encode() not in exported, text
    for text in (basic, key.encode(), str(pixy.folder).encode(), b"Traceback"):
        assert text not in exported, text
