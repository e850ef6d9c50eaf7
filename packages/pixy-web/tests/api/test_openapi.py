"""The OpenAPI document against the running service: cases C803 and C813."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from running_service import RunningService

READS = {"/image", "/image/{guid}", "/image/{guid}/content", "/image/{guid}/preview"}
OPERATIONS = {
    *((path, method) for path in READS for method in ("get", "head")),
    ("/image", "post"),
    ("/image/{guid}", "patch"),
    ("/image/{guid}", "delete"),
    *((f"/health/{name}", method) for name in ("live", "ready") for method in ("get", "head")),
}


@pytest.mark.case("C803")
def test_schemathesis_finds_nothing(fresh: RunningService, tmp_path: Path) -> None:
    # schemathesis takes no password with a colon
    with fresh.open_users() as users:
        users.add_user("ada", "a password", "class")
    fresh.make_image(fresh.client("ada", "a password"), visibility="public")
    found = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "--config-file"),
            *(str(Path(__file__).with_name("schemathesis.toml")), "run", "--checks", "all"),
            *("--auth", "ada:a password", "--max-examples", "20", "--no-color"),
            # the same cases in each run: whether a change may be merged must not depend on luck
            "--generation-deterministic",
            f"{fresh.url}/openapi.json",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.case("C803")
def test_the_document_has_every_operation_and_both_ways_to_sign_in(
    service: RunningService,
) -> None:
    document = service.client().get("/openapi.json").json()
    operations = {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == OPERATIONS
    for (path, method), operation in operations.items():
        if path.startswith("/health"):
            assert operation["security"] == []
        elif method in ("get", "head"):
            assert operation["security"] == [{}, {"basic": []}]
        else:
            assert operation["security"] == [{"basic": []}]


@pytest.mark.case("C813")
def test_the_document_is_asked_for_anew_and_not_sent_twice(service: RunningService) -> None:
    client = service.client()
    for coding in ("gzip", "identity"):
        accepted = {"Accept-Encoding": coding}
        first = client.get("/openapi.json", headers=accepted)
        assert first.headers["content-type"] == "application/json"
        assert first.headers["cache-control"] == "no-cache"
        assert first.headers["vary"] == "Accept-Encoding"
        assert first.headers.get("content-encoding", "identity") == coding
        known = accepted | {"If-None-Match": first.headers["etag"]}
        for reader in (client, service.sign_in()):
            again = reader.get("/openapi.json", headers=known)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
        changed = client.get("/openapi.json", headers=accepted | {"If-None-Match": '"other"'})
        assert changed.json() == first.json()
        head = client.head("/openapi.json", headers=accepted)
        assert (head.status_code, head.headers["etag"]) == (200, first.headers["etag"])


@pytest.mark.case("C813")
def test_another_document_has_another_tag(
    service: RunningService, start_service: Callable[..., RunningService]
) -> None:
    other = start_service(max_prompt_length=100)
    tags = [one.client().get("/openapi.json").headers["etag"] for one in (service, other)]
    assert tags[0] != tags[1]


def test_the_document_describes_no_integer_id_and_no_foreign_error(
    service: RunningService,
) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    assert "id" not in schemas["Image"]["properties"]
    assert "HTTPValidationError" not in schemas


@pytest.mark.case("C803")
def test_members_are_required_and_nullable_as_they_are_sent(service: RunningService) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    image = schemas["Image"]
    made = service.make_image(service.sign_in(), visibility="public")
    sent = service.client().get(f"/image/{made['guid']}").json()
    assert set(image["required"]) == set(image["properties"]) == set(sent)
    nullable = {name for name, member in image["properties"].items() if "anyOf" in member}
    assert nullable == {name for name, value in sent.items() if value is None} == {"owner"}
    # these are left out where there is nothing to say
    for name, optional in {
        "Creation": {"problem"},
        "CreationProblem": {"upstream_request_id"},
        "Problem": {"errors", "retryable", "billed", "upstream_request_id"},
    }.items():
        schema = schemas[name]
        assert set(schema["properties"]) - set(schema["required"]) == optional
        assert not [member for member in schema["properties"].values() if "anyOf" in member]


def test_the_examples_have_every_required_member(service: RunningService) -> None:
    document = service.client().get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    answers = document["paths"]["/image"]["post"]["responses"]
    for status, name in (("201", "Image"), ("202", "Creation")):
        example = answers[status]["content"]["application/json"]["example"]
        assert set(example) == set(schemas[name]["required"])


def test_a_request_needs_its_prompt_only(service: RunningService) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    request = schemas["ImageRequest"]
    assert request["required"] == ["prompt"]
    assert "The default is `private`." in request["properties"]["visibility"]["description"]
    # openapi-typescript requires each member that has a default
    assert not [
        (name, member)
        for name, schema in schemas.items()
        for member, described in schema.get("properties", {}).items()
        if "default" in described
    ]


def test_a_creation_is_never_ready(service: RunningService) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    status = schemas["Creation"]["properties"]["status"]
    assert status["enum"] == ["pending", "failed", "unknown"]
    assert "CreationStatus" not in schemas
    assert status["description"].startswith("`pending`: the image is being made.")


def test_descriptions_hold_no_remark_on_the_source(service: RunningService) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Image"]["description"] == "An image that is stored."


def test_every_operation_has_a_tag_that_is_described(service: RunningService) -> None:
    document = service.client().get("/openapi.json").json()
    tags = {tag["name"] for tag in document["tags"]}
    assert tags == {"images", "health"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["tags"] == ["health" if path.startswith("/health") else "images"]
