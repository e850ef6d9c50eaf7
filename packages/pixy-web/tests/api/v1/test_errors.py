"""Errors in OpenAI's shape, and which of them clients repeat: cases C988 to C990."""

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import pytest

import pixy_core as core
from pixy_web.http.error_handler import STATUSES
from pixy_web.http.v1.errors import MOST_SECONDS, find_row
from provider import Provider
from running_service import RunningService

PATH = "/v1/images/generations"
BODY = {"prompt": "a lighthouse"}
MEMBERS = {"message", "type", "param", "code", "retryable", "billed", "request_id"}
REPEATED = {408, 409, 429, *range(500, 600)}
"""Statuses that the OpenAI SDKs and the AI SDK repeat."""


def read_error(answer: httpx2.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/json"
    (error,) = answer.json().values()
    assert set(error) == MEMBERS
    assert isinstance(error["message"], str)
    assert error["request_id"] == answer.headers["x-request-id"]
    return dict(error)


@pytest.mark.case("C988")
@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer sk-of-openai", f"Bearer pixy_{'a' * 10}_{'b' * 43}"]
)
def test_without_a_key_in_force_nothing_is_answered(
    patient: RunningService, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = patient.client().post(PATH, json=BODY, headers=headers)
    error = read_error(answer)
    assert (answer.status_code, error["code"]) == (401, "invalid_api_key")
    assert error["type"] == "invalid_request_error"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="PixyProxy"')


@pytest.mark.case("C988")
def test_http_basic_is_no_way_in(patient: RunningService) -> None:
    user = patient.add_user()
    key = patient.add_key(user)
    for client in (patient.client(user), patient.client(user, key)):
        assert client.post("/image", json=BODY).status_code == 201
        answer = client.get("/v1/models")
        assert (answer.status_code, read_error(answer)["code"]) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.case("C988")
def test_a_key_without_the_scope_is_refused(patient: RunningService, provider: Provider) -> None:
    answer = patient.key_client(None, "read").post(PATH, json=BODY)
    assert (answer.status_code, read_error(answer)["code"]) == (403, "insufficient_permissions")
    assert provider.paid_requests == 0


@pytest.mark.case("C989")
@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1", {}, 404, "no_such_resource"),
        ("GET", "/v1/nothing", {}, 404, "no_such_resource"),
        ("GET", "/v1/models/", {}, 404, "no_such_resource"),
        ("GET", PATH, {}, 405, "method_not_allowed"),
        ("POST", PATH, {"content": b"{"}, 415, "unsupported_media_type"),
        ("POST", PATH, {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400,
         "bad_request"),
        ("POST", PATH, {"json": {"prompt": "a" * 300_000}}, 413, "body_too_large"),
        ("POST", PATH, {"json": BODY, "headers": {"Origin": "https://other.example"}}, 403,
         "cross_site_request"),
        ("POST", PATH, {"json": BODY, "headers": {"X-Long": "a" * 20_000}}, 431, "head_too_large"),
    ],
)  # fmt: skip
def test_every_refusal_has_the_shape(
    client: httpx2.Client, *, method: str, path: str, options: dict[str, object], status: int,
    code: str,
) -> None:  # fmt: skip
    answer = client.request(method, path, **options)  # type: ignore[arg-type]
    if status == 431 and not answer.headers["content-type"].endswith("/json"):
        # refused before it is a request
        return
    error = read_error(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    if status == 405:
        assert answer.headers["allow"] == "POST"


@pytest.mark.case("C989")
def test_a_host_that_is_not_known_is_refused_in_the_shape(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(allowed_hosts=("pixy.example",))
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc)
    connection.request("GET", "/v1/models", headers={"Host": "other.example"})
    answer = connection.getresponse()
    assert answer.status == 400
    assert b'"type": "invalid_request_error"' in answer.read()
    connection.close()


@pytest.mark.case("C990")
@pytest.mark.parametrize(
    ("behaviour", "status", "kind", "code", "billed"),
    [
        ("moderation_blocked", 400, "image_generation_user_error", "moderation_blocked", "no"),
        ("overloaded", 503, "server_error", "provider_overloaded", "no"),
        ("insufficient_quota", 429, "insufficient_quota", "insufficient_quota", "no"),
        ("unauthorized", 424, "server_error", "provider_refused_credentials", "no"),
        ("reset", 424, "server_error", "outcome_unknown", "unknown"),
        ("server_error", 424, "server_error", "outcome_unknown", "unknown"),
        ("null_data", 424, "server_error", "outcome_unknown", "yes"),
    ],
)
def test_only_what_cost_nothing_is_repeated(
    client: httpx2.Client, provider: Provider, *, behaviour: str, status: int, kind: str,
    code: str, billed: str,
) -> None:  # fmt: skip
    provider.behave(behaviour)
    answer = client.post(PATH, json=BODY)
    error = read_error(answer)
    assert (answer.status_code, error["type"], error["code"]) == (status, kind, code)
    assert error["billed"] == billed
    if billed != "no" or status in (424, 429):
        assert answer.headers["x-should-retry"] == "false"
    else:
        assert "x-should-retry" not in answer.headers
    if status == 503:
        assert 0 < int(answer.headers["retry-after"]) <= MOST_SECONDS
    if status == 429:
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.case("C990")
def test_no_row_lets_a_client_pay_twice() -> None:
    kinds: list[type[core.GenerationError]] = [core.GenerationError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    for kind in kinds:
        row = find_row(kind())
        if kind.billed != "no" and kind is not core.ImageRejectedError:
            assert row.status == 424, kind
        if row.status == 424:
            assert row.headers["x-should-retry"] == "false"
        if kind.billed != "no":
            assert row.status not in REPEATED, kind


@pytest.mark.case("C990")
def test_each_error_of_the_native_api_has_a_row() -> None:
    # no request of this API makes a key
    for kind in STATUSES.keys() - {core.PixyProxyException, core.TooManyKeysError}:
        assert find_row(kind()).code != "internal_error", kind
