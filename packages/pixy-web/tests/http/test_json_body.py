"""Strict reading of JSON bodies: cases C207 to C211."""

import json

import pytest

from running_service import RunningService

JSON = {"Content-Type": "application/json"}


@pytest.mark.case("C207")
@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "x", "size": 1}',
        b'{"prompt": "x", "visibility": "everyone"}',
        b'{"prompt": "x", "visibility": null}',
        b'{"prompt": "x", "visibility": "PUBLIC"}',
        b"",
        b"null",
        b"[]",
        b'"x"',
    ],
)
def test_a_body_that_does_not_fit_the_schema_is_refused(
    service: RunningService, body: bytes
) -> None:
    answer = service.sign_in().post("/image", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.case("C208")
@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": NaN}',
        b'{"prompt": "x", "y": -Infinity}',
        b'{"prompt": "x", "y": 1e999}',
        rb'{"prompt": "\ud800"}',
        rb'{"prompt": "x", "\udfff": 1}',
        rb'{"prompt": "x", "visibility": "\ud800"}',
    ],
)
def test_lone_surrogates_and_numbers_that_are_not_finite_are_refused(
    service: RunningService, body: bytes
) -> None:
    answer = service.sign_in().post("/image", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


@pytest.mark.case("C209")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(body, id=name)
        for name, body in {
            "truncated": b'{"prompt": "x"',
            "latin-1": '{"prompt": "é"}'.encode("latin-1"),
            "utf-16": '{"prompt": "x"}'.encode("utf-16"),
            "byte order mark": b'\xef\xbb\xbf{"prompt": "x"}',
            "nesting": b"[" * 100_000,
            "repeated key": b'{"prompt": "x", "prompt": "y"}',
            "binary": bytes(range(256)),
            "huge integer": b'{"prompt": ' + b"9" * 10_000 + b"}",
        }.items()
    ],
)
def test_a_body_that_is_not_json_in_utf_8_is_malformed(
    service: RunningService, body: bytes
) -> None:
    answer = service.sign_in().post("/image", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.case("C210")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
    ids=str,
)
def test_another_media_type_is_refused(service: RunningService, headers: dict[str, str]) -> None:
    answer = service.sign_in().post("/image", content=b'{"prompt": "x"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.case("C210")
@pytest.mark.parametrize("media_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_the_media_type_may_have_parameters_and_any_case(
    service: RunningService, media_type: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = service.sign_in().post("/image", content=b'{"prompt": "x"}', headers=headers)
    assert answer.status_code == 201


@pytest.mark.case("C211")
def test_a_body_over_the_limit_is_refused(service: RunningService) -> None:
    body = json.dumps({"prompt": "x" * 300_000}).encode()
    client = service.sign_in()
    for content in (body, iter([body[:1000], body[1000:]])):
        answer = client.post("/image", content=content, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
