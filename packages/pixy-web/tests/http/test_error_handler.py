"""Rules for every answer: cases C001 to C006."""

import re

import pytest

from running_service import RunningService

REQUEST_ID = re.compile(r"[A-Za-z0-9.-]+-\d{8}T\d{6}\.\d{6}Z-\d+")

ERRORS = [
    ("GET", "/nowhere", 404),
    ("PUT", "/image", 405),
    ("POST", "/image", 401),
    ("GET", "/image?limit=0", 422),
    ("GET", "/image/1", 422),
    ("GET", "/image/00000000-0000-4000-8000-000000000000", 404),
]


@pytest.mark.case("C001")
def test_every_answer_has_a_request_id_of_its_own(service: RunningService) -> None:
    client = service.client()
    answers = [client.request(method, path) for method, path, _ in ERRORS]
    answers += [client.get(path) for path in ("/", "/image", "/health/live", "/openapi.json")]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(REQUEST_ID.fullmatch(request_id) for request_id in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.case("C002")
@pytest.mark.case("C003")
@pytest.mark.parametrize(("method", "path", "status"), ERRORS)
def test_an_error_is_a_problem_that_may_not_be_cached(
    service: RunningService, method: str, path: str, status: int
) -> None:
    answer = service.client().request(method, path)
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["vary"] == "Authorization"


@pytest.mark.case("C004")
@pytest.mark.parametrize("path", ["/nowhere", "/image/", "/images", "/health", "//image"])
def test_an_unknown_path_is_not_found(service: RunningService, path: str) -> None:
    for client in (service.client(), service.sign_in()):
        answer = client.get(service.url + path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_resource")


@pytest.mark.case("C005")
@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/image", {"GET", "HEAD", "POST"}),
        ("/image/00000000-0000-4000-8000-000000000000", {"GET", "HEAD", "PATCH", "DELETE"}),
        ("/image/00000000-0000-4000-8000-000000000000/content", {"GET", "HEAD"}),
        ("/health/live", {"GET", "HEAD"}),
    ],
)
def test_an_unknown_method_is_answered_with_the_allowed_ones(
    service: RunningService, method: str, path: str, allowed: set[str]
) -> None:
    for client in (service.client(), service.sign_in()):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.case("C005")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE", "PUT"])
def test_the_path_of_uploads_is_no_guid(service: RunningService, method: str) -> None:
    for client in (service.client(), service.sign_in()):
        answer = client.request(method, "/image/upload")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.case("C006")
def test_an_invalid_value_is_named_but_not_repeated(service: RunningService) -> None:
    client = service.sign_in()
    answers = [
        client.post("/image", json={"prompt": "fine", "visibility": "s3cret"}),
        client.post("/image", json={"prompt": "fine", "seed": "s3cret"}),
        client.get("/image?sort=s3cret"),
        client.post("/image", json={"prompt": ["s3cret"]}),
        client.get("/image?limit=s3cret"),
        client.get("/image?limit=1&cursor=s3cret"),
        client.get("/image/s3cret"),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "s3cret" not in answer.text
        (error,) = answer.json()["errors"]
        assert error["location"][0] in ("body", "query", "path")
        assert error["reason"]
