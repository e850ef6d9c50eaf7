"""Unknown names of parameters and members: cases C885 to C887."""

import json
from typing import Any

import pytest

from running_service import RunningService

QUERY = (
    "is not known; known are limit, cursor, status, q, visibility, mine, created_after, "
    "created_before"
)
BODY = (
    "is not known; known are prompt, visibility, size, quality, model, output_format, background, "
    "output_compression, moderation, sources, mask"
)


@pytest.mark.case("C885")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["owner=ada", "sort=asc", "Q=boat", "owner", "%6Fwner=", "=x"])
def test_an_unknown_parameter_of_a_list_is_refused(
    service: RunningService, query: str, method: str
) -> None:
    for client in (service.client(), service.sign_in()):
        for known in ("", "limit=5&"):
            answer = client.request(method, f"/image?{known}{query}")
            assert answer.status_code == 422


@pytest.mark.case("C885")
def test_unknown_parameters_are_named_with_the_known_ones(service: RunningService) -> None:
    answer = service.client().get("/image?owner=s3cret&limit=5&Q=s3cret&owner=s3cret")
    assert answer.json()["errors"] == [
        {"location": ["query", "owner"], "reason": QUERY},
        {"location": ["query", "Q"], "reason": QUERY},
    ]
    assert "s3cret" not in answer.text


@pytest.mark.case("C885")
def test_content_and_details_ignore_other_parameters(fresh: RunningService) -> None:
    owner = fresh.sign_in()
    guid = fresh.make_image(owner, visibility="public")["guid"]
    for client in (owner, fresh.client()):
        for path in (f"/image/{guid}", f"/image/{guid}/content"):
            plain, more = client.get(path), client.get(f"{path}?x=1")
            assert (more.status_code, more.content) == (200, plain.content)
            assert more.headers["cache-control"] == plain.headers["cache-control"]


@pytest.mark.case("C886")
@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "s3cret", "seed": "s3cret"},
        {"prompt": "s3cret", "Prompt": "s3cret"},
        {"prompt": ["s3cret"], "owner": {"s3cret": 1}},
    ],
)
def test_an_unknown_member_is_named_with_the_known_ones(
    service: RunningService, body: dict[str, Any]
) -> None:
    name = list(body)[-1]
    answer = service.sign_in().post("/image", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"location": ["body", name], "reason": BODY}]
    assert "s3cret" not in answer.text


@pytest.mark.case("C886")
def test_an_unknown_member_of_a_change_is_named(fresh: RunningService) -> None:
    owner = fresh.sign_in()
    guid = fresh.make_image(owner)["guid"]
    answer = owner.patch(f"/image/{guid}", json={"visibility": "public", "guid": "x"})
    reason = "is not known; known are visibility"
    assert answer.json()["errors"] == [{"location": ["body", "guid"], "reason": reason}]
    assert owner.get(f"/image/{guid}").json()["visibility"] == "private"


@pytest.mark.case("C886")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x" * 65, "x" * 64),
        ("a\x00b\x1b[31m\n", "a\ufffdb\ufffd[31m\ufffd"),
        ("\u202eevil", "\ufffdevil"),
        ("\ud800", "\ufffd"),
        ("größe", "größe"),
    ],
)
def test_an_unknown_name_is_shortened_and_made_printable(
    service: RunningService, name: str, told: str
) -> None:
    answer = service.sign_in().post(
        "/image",
        content=json.dumps({"prompt": "x", name: 1}),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == ["body", told]


@pytest.mark.case("C886")
def test_of_many_unknown_names_the_first_ten_are_reported(service: RunningService) -> None:
    names = [f"x{number}" for number in range(1000)]
    body = dict.fromkeys(names, 1)
    query = "&".join(f"{name}=1" for name in names)
    for answer in (
        service.sign_in().post("/image", json=body),
        service.client().get(f"/image?{query}"),
    ):
        assert [error["location"][1] for error in answer.json()["errors"]] == names[:10]


@pytest.mark.case("C887")
@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, ["body", "prompt"]),
        ({"prompt": 5}, ["body", "prompt"]),
        ({"prompt": "x" * 101}, ["body", "prompt"]),
        ({"prompt": "x", "size": "1x1"}, ["body", "size"]),
        ([], ["body"]),
    ],
)
def test_an_error_in_the_body_is_located_there_whatever_the_query_has(
    start_service: Any, body: Any, location: list[str]
) -> None:
    service = start_service(max_prompt_length=100)
    answer = service.sign_in().post("/image?prompt=x&size=y&body=z", json=body)
    assert answer.status_code == 422
    assert [error["location"] for error in answer.json()["errors"]] == [location]


@pytest.mark.case("C887")
def test_an_error_in_the_path_or_query_is_located_there(service: RunningService) -> None:
    client = service.sign_in()
    for path, location in (
        ("/image/nonsense?guid=1", ["path", "guid"]),
        ("/image?cursor=nonsense&limit=1", ["query", "cursor"]),
        ("/image/00000000-0000-4000-8000-000000000000/content?width=1", ["query", "width"]),
    ):
        (error,) = client.get(path).json()["errors"]
        assert error["location"] == location


@pytest.mark.case("C888")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "must be given"),
        ({"prompt": 5}, "must be a string"),
        ({"prompt": ""}, "must not be empty"),
        ({"prompt": " "}, "must not be blank"),
        ({"prompt": "x" * 32_001}, "must have at most 32000 characters"),
        ({"prompt": "x", "visibility": "all"}, "must be 'private', 'class' or 'public'"),
        ({"prompt": "x", "size": 5}, "must be a string"),
        ({"prompt": "x", "size": "1x1"}, "must be auto, or a width and a height such as 1536x1024"),
        (5, "must be a JSON object"),
    ],
)
def test_each_reason_says_what_a_value_must_be(
    service: RunningService, body: Any, reason: str
) -> None:
    (error,) = service.sign_in().post("/image", json=body).json()["errors"]
    assert error["reason"] == reason


@pytest.mark.case("C888")
@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "limit=" + "9" * 5000, "status=x", "visibility=x"),
        *("mine=1", "created_after=x", "created_after=2026-13-45T00:00:00Z", "q="),
        *("q=" + "x" * 201, "cursor=x", "limit=1&limit=2"),
    ],
)
def test_each_reason_of_a_query_says_what_it_must_be(service: RunningService, query: str) -> None:
    (error,) = service.client().get(f"/image?{query}").json()["errors"]
    assert error["reason"].startswith("must ")
