"""Making, changing and deleting images.

Cases C201 to C206, C212 to C219, C601 to C703 and C820 to C823.
"""

import hashlib
import shutil
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from provider import Provider
from provider_answers import JPEG, LARGE_TEXT_PNG, WEBP
from provider_oddities import ODD_PNG
from running_service import PASSWORD, RunningService

ABSENT = "00000000-0000-4000-8000-000000000000"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def paid(provider: Provider, start_service: Callable[..., RunningService]) -> RunningService:
    """A service whose images come from the provider."""
    return start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        generation_concurrency=2,
        generation_timeout=1.0,
    )


@pytest.mark.case("C201")
def test_a_prompt_gives_a_stored_private_image_of_the_caller(service: RunningService) -> None:
    name = service.add_user()
    client = service.client(name)
    answer = client.post("/image", json={"prompt": "a lighthouse"})
    image = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/image/{image['guid']}")
    assert (image["prompt"], image["visibility"], image["owner"]) == (
        "a lighthouse",
        "private",
        name,
    )
    assert (image["generator"], image["created_at"]) == ("sketch", image["updated_at"])
    assert client.get(answer.headers["location"]).json() == image
    content = client.get(f"/image/{image['guid']}/content").content
    assert (image["size"], image["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.case("C202")
@pytest.mark.parametrize("visibility", ["private", "class", "public"])
def test_an_image_has_the_requested_visibility(service: RunningService, visibility: str) -> None:
    assert service.draw_image(service.sign_in(), "x", visibility)["visibility"] == visibility


@pytest.mark.case("C203")
@pytest.mark.parametrize("body", [b'{"prompt": "x"}', b"", b"junk", b'{"prompt": ""}'])
def test_an_anonymous_caller_is_asked_to_sign_in(service: RunningService, body: bytes) -> None:
    answer = service.client().post("/image", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")
    assert answer.headers["www-authenticate"].startswith("Basic ")


@pytest.mark.case("C204")
@pytest.mark.parametrize("body", [b'{"prompt": "x"}', b"junk"])
def test_wrong_credentials_are_refused_before_the_body(
    service: RunningService, body: bytes
) -> None:
    answer = service.client("nobody").post("/image", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


@pytest.mark.case("C205")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(body, id=name)
        for name, body in {
            "missing": {},
            "null": {"prompt": None},
            "number": {"prompt": 1},
            "list": {"prompt": ["x"]},
            "empty": {"prompt": ""},
            "blank": {"prompt": " \t\r\n\u3000"},
            "invisible": {"prompt": "\u200b\u200d\u2060\ufeff"},
            "too long": {"prompt": "x" * 32_001},
            "NUL": {"prompt": "a\0b"},
            "control": {"prompt": "a\x07b"},
            "C1 control": {"prompt": "a\x85b"},
        }.items()
    ],
)
def test_a_prompt_that_breaks_the_rules_is_refused(
    service: RunningService, body: dict[str, object]
) -> None:
    answer = service.sign_in().post("/image", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["location"] == ["body", "prompt"]


@pytest.mark.case("C206")
@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param(prompt, id=name)
        for name, prompt in {
            "emoji": "🦩👩‍👩‍👧‍👦",
            "lines": "one\r\ntwo\n\tthree",
            "direction": "\u202eright to left",
            "ansi": "\x1b[31mred\x1b[0m",
            "sql": "'; DROP TABLE images; -- \\",
            "format": "%s %(x)s {0} {} :guid ?",
            "longest": "🦩" * 32_000,
            "spaces": "  kept  ",
        }.items()
    ],
)
def test_an_unusual_prompt_is_kept_byte_for_byte(service: RunningService, prompt: str) -> None:
    client = service.sign_in()
    guid = service.draw_image(client, prompt)["guid"]
    assert client.get(f"/image/{guid}").json()["prompt"] == prompt
    assert client.get("/image").json()[0]["prompt"] == prompt


def refused(
    paid: RunningService, provider: Provider, behaviour: str
) -> tuple[int, dict[str, object], httpx2.Headers]:
    """Make the provider fail a create, and return status, problem and headers."""
    provider.behave(behaviour)
    client = paid.sign_in()
    answer = client.post("/image", json={"prompt": "a lighthouse"})
    assert provider.paid_requests == 1
    assert client.get("/image").json() == []
    return answer.status_code, answer.json(), answer.headers


@pytest.mark.case("C212")
@pytest.mark.parametrize("behaviour", ["moderation_blocked", "content_policy_violation"])
def test_a_prompt_that_the_provider_rejects_is_an_error_of_the_caller(
    paid: RunningService, provider: Provider, behaviour: str
) -> None:
    status, problem, _ = refused(paid, provider, behaviour)
    assert (status, problem["code"]) == (422, "prompt_rejected")
    assert (problem["retryable"], problem["billed"]) == (False, "no")
    assert problem["upstream_request_id"] == "req_stand_in"


@pytest.mark.case("C213")
@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("unauthorized", "provider_refused_credentials"),
        ("forbidden", "provider_refused_credentials"),
        ("bad_request", "provider_refused_request"),
        ("not_found", "provider_refused_request"),
    ],
)
def test_a_provider_that_refuses_the_server_is_a_bad_gateway(
    paid: RunningService, provider: Provider, behaviour: str, code: str
) -> None:
    status, problem, headers = refused(paid, provider, behaviour)
    assert (status, problem["code"], problem["billed"]) == (502, code, "no")
    # with a WWW-Authenticate header, a browser would send the user's password again
    assert "www-authenticate" not in headers


@pytest.mark.case("C214")
@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("rate_limit_exceeded", "provider_overloaded"),
        ("overloaded", "provider_overloaded"),
        ("insufficient_quota", "provider_quota_exhausted"),
    ],
)
def test_an_overloaded_provider_or_an_exhausted_quota_is_unavailable(
    paid: RunningService, provider: Provider, behaviour: str, code: str
) -> None:
    status, problem, headers = refused(paid, provider, behaviour)
    assert (status, problem["code"], problem["retryable"]) == (503, code, True)
    assert int(headers["retry-after"]) > 0


@pytest.mark.case("C214")
def test_an_unreachable_provider_is_unavailable(
    start_service: Callable[..., RunningService],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    service = start_service(
        generator="openai", openai_api_key="sk", openai_base_url=f"http://127.0.0.1:{port}/v1"
    )
    answer = service.sign_in().post("/image", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unreachable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.case("C215")
@pytest.mark.parametrize(
    ("behaviour", "code", "billed"),
    [
        ("server_error", "outcome_unknown", "unknown"),
        ("reset", "outcome_unknown", "unknown"),
        ("truncated", "outcome_unknown", "unknown"),
        ("null_data", "provider_sent_no_image", "yes"),
        ("bad_base64", "provider_sent_no_image", "yes"),
    ],
)
def test_a_provider_that_fails_may_have_charged(
    paid: RunningService, provider: Provider, behaviour: str, code: str, billed: str
) -> None:
    status, problem, _ = refused(paid, provider, behaviour)
    assert (status, problem["code"], problem["billed"]) == (502, code, billed)


@pytest.mark.case("C820")
@pytest.mark.parametrize(
    ("behaviour", "content", "media_type"),
    [
        ("format_null", ODD_PNG, "image/png"),
        ("base64_data_url", ODD_PNG, "image/png"),
        ("json_byte_order_mark", ODD_PNG, "image/png"),
        ("labelled_stream", ODD_PNG, "image/png"),
        ("unasked_events", ODD_PNG, "image/png"),
        ("packed_unlabelled", ODD_PNG, "image/png"),
        ("unnamed_jpeg", JPEG, "image/jpeg"),
        ("unnamed_webp", WEBP, "image/webp"),
        ("large_text", LARGE_TEXT_PNG, "image/png"),
    ],
)
def test_a_paid_image_is_kept_whatever_form_the_answer_has(
    paid: RunningService, provider: Provider, behaviour: str, content: bytes, media_type: str
) -> None:
    provider.behave(behaviour)
    client = paid.sign_in()
    image = paid.draw_image(client)
    assert image["media_type"] == media_type
    assert client.get(f"/image/{image['guid']}/content").content == content


@pytest.mark.case("C821")
def test_a_link_instead_of_an_image_is_reported_and_not_followed(
    paid: RunningService, provider: Provider
) -> None:
    provider.behave("no_b64")
    client = paid.sign_in()
    for _ in range(2):
        answer = client.post("/image", json={"prompt": "x"}, headers={"Idempotency-Key": "k"})
        told = answer.status_code, answer.json()["code"], answer.json()["billed"]
        assert told == (502, "provider_sent_no_image", "yes")
        assert "link" in answer.json()["detail"]
    assert (provider.paid_requests, provider.other_requests) == (1, 0)


@pytest.mark.case("C822")
@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("late_moderation_blocked", (422, "prompt_rejected", "no")),
        ("late_content_filter", (422, "prompt_rejected", "no")),
        ("late_400_moderation", (422, "prompt_rejected", "no")),
        ("late_insufficient_quota", (503, "provider_quota_exhausted", "no")),
        ("late_slow_down", (503, "provider_overloaded", "no")),
        ("late_server_error", (502, "outcome_unknown", "unknown")),
    ],
)
def test_an_error_with_status_200_is_handled_by_its_code(
    paid: RunningService, provider: Provider, behaviour: str, expected: tuple[int, str, str]
) -> None:
    status, problem, _ = refused(paid, provider, behaviour)
    assert (status, problem["code"], problem["billed"]) == expected


@pytest.mark.case("C823")
@pytest.mark.parametrize("behaviour", ["moderation_output", "late_moderation_output"])
def test_a_rejected_image_may_have_been_charged(
    paid: RunningService, provider: Provider, behaviour: str
) -> None:
    status, problem, _ = refused(paid, provider, behaviour)
    assert (status, problem["code"], problem["billed"]) == (422, "image_rejected", "unknown")
    assert problem["retryable"] is False


@pytest.mark.case("C216")
@pytest.mark.parametrize("behaviour", ["silent", "stall", "drip"])
def test_a_provider_that_takes_too_long_times_out(
    paid: RunningService, provider: Provider, behaviour: str
) -> None:
    status, problem, _ = refused(paid, provider, behaviour)
    assert (status, problem["code"]) == (504, "generation_timeout")
    assert problem["billed"] == "unknown"


@pytest.mark.case("C217")
def test_creates_over_the_limit_are_refused_at_once_and_reads_go_on(
    provider: Provider, start_service: Callable[..., RunningService]
) -> None:
    service = start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        generation_concurrency=2,
    )
    client = service.sign_in()
    with ThreadPoolExecutor(2) as threads, provider.holding():
        waiting = [threads.submit(client.post, "/image", json={"prompt": f"{n}"}) for n in range(2)]
        provider.wait_for_requests(2)
        third = client.post("/image", json={"prompt": "third"})
        assert (third.status_code, third.json()["code"]) == (503, "generation_busy")
        assert int(third.headers["retry-after"]) > 0
        assert client.get("/image").json() == []
    assert [future.result().status_code for future in waiting] == [201, 201]
    assert provider.paid_requests == 2


@pytest.mark.case("C218")
def test_an_image_is_made_even_if_its_client_hangs_up(
    paid: RunningService, provider: Provider
) -> None:
    name = paid.add_user()
    client = paid.client(name)
    host, port = paid.url.removeprefix("http://").split(":")
    with provider.holding(), socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /image HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Basic " + b64encode(f"{name}:{PASSWORD}".encode()) + b"\r\n"
            b'Content-Length: 15\r\n\r\n{"prompt": "x"}'
        )
        provider.wait_for_requests(1)
    deadline = time.monotonic() + 10
    while not client.get("/image").json():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert provider.paid_requests == 1


@pytest.mark.case("C219")
def test_the_provider_is_not_asked_without_storage(
    paid: RunningService, provider: Provider
) -> None:
    folder = paid.settings.data_dir / "images"
    shutil.rmtree(folder)
    folder.write_text("a file where the folder should be")
    answer = paid.sign_in().post("/image", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert provider.paid_requests == 0


@pytest.mark.case("C601")
def test_an_owners_change_takes_effect_at_the_next_request(service: RunningService) -> None:
    owner, stranger = service.sign_in(), service.client()
    image = service.make_image(owner)
    path = f"/image/{image['guid']}"
    for visibility, status in (("public", 200), ("class", 404), ("public", 200), ("private", 404)):
        changed = owner.patch(path, json={"visibility": visibility})
        assert (changed.status_code, changed.json()["visibility"]) == (200, visibility)
        assert changed.json()["updated_at"] > image["updated_at"]
        assert stranger.get(path).status_code == status


@pytest.mark.case("C602")
@pytest.mark.case("C702")
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_only_the_owner_writes(service: RunningService, method: str) -> None:
    owner, mate, other = (service.sign_in(key) for key in ("one", "one", "two"))
    for visibility, of_mate, of_other in (
        ("private", 404, 404),
        ("class", 403, 404),
        ("public", 403, 403),
    ):
        path = f"/image/{service.make_image(owner, visibility=visibility)['guid']}"
        for client, expected in ((service.client(), 401), (mate, of_mate), (other, of_other)):
            body = {"json": {"visibility": "public"}} if method == "PATCH" else {}
            assert client.request(method, path, **body).status_code == expected
        assert owner.get(path).json()["visibility"] == visibility
    absent = other.request(method, f"/image/{ABSENT}", json={"visibility": "public"})
    assert (absent.status_code, absent.json()["code"]) == (404, "record_not_found")


@pytest.mark.case("C603")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"visibility": "everyone"}', 422),
        (b"{}", 422),
        (b'{"prompt": "x"}', 422),
        (b'{"visibility": "public", "prompt": "x"}', 422),
        (b"junk", 400),
    ],
)
def test_a_change_that_breaks_the_rules_is_refused(
    service: RunningService, body: bytes, status: int
) -> None:
    client = service.sign_in()
    image = service.make_image(client)
    path = f"/image/{image['guid']}"
    assert client.patch(path, content=body, headers=JSON).status_code == status
    assert client.patch(path, content=body).status_code == 415
    assert client.get(path).json() == image


@pytest.mark.case("C701")
def test_a_deleted_image_is_gone_everywhere(service: RunningService) -> None:
    client = service.sign_in()
    guid = service.make_image(client, visibility="public")["guid"]
    path = f"/image/{guid}"
    answer = client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for caller in (client, service.client()):
        assert caller.get(path).status_code == 404
        assert caller.get(f"{path}/content").status_code == 404
        assert guid not in caller.get("/image").text
    assert not list(service.settings.data_dir.rglob(f"*{guid}*"))


@pytest.mark.case("C703")
def test_an_image_that_was_deleted_is_not_found(service: RunningService) -> None:
    client = service.sign_in()
    path = f"/image/{service.make_image(client)['guid']}"
    assert [client.delete(path).status_code for _ in range(2)] == [204, 404]
