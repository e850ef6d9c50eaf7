"""The OpenAPI document against the running service: cases C803 and C813."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from running_service import RunningService

OPTIONS = {
    *("model", "output_format", "background", "output_compression", "moderation"),
    *("sources", "mask"),
}
READS = {
    "/image",
    *(f"/image/{{guid}}{part}" for part in ("", "/content", "/preview", "/derived")),
}
OPERATIONS = {
    *((path, method) for path in READS for method in ("get", "head")),
    ("/image", "post"),
    ("/v1/images/generations", "post"),
    ("/v1/images/edits", "post"),
    ("/v1/models", "get"),
    ("/v1/models/{model}", "get"),
    ("/image/upload", "post"),
    ("/image/{guid}", "patch"),
    ("/image/{guid}", "delete"),
    *(("/key", method) for method in ("get", "head", "post")),
    ("/key/{id}", "delete"),
    ("/key/{id}/rotation", "post"),
    *((f"/health/{name}", method) for name in ("live", "ready") for method in ("get", "head")),
}


@pytest.mark.long
@pytest.mark.case("C803")
def test_schemathesis_finds_nothing(
    start_service: Callable[..., RunningService], tmp_path: Path
) -> None:
    # it tries wrong passwords, and expects each to be 401
    fresh = start_service(sign_in_failures=100, sign_in_address_failures=10_000)
    # schemathesis takes no password with a colon
    with fresh.open_users() as users:
        users.add_user("ada", "a password", "class")
    fresh.make_image(fresh.client("ada", "a password"), visibility="public")
    found = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "--config-file"),
            *(str(Path(__file__).with_name("schemathesis.toml")), "run", "--checks", "all"),
            *("--auth", "ada:a password", "--max-examples", "20", "--no-color"),
            # the same cases in each run, so that the result does not depend on chance
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
def test_the_document_has_every_operation_and_every_way_to_sign_in(
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
        elif path.startswith("/v1"):
            assert operation["security"] == [{"bearer": []}]
        elif path.startswith("/key"):
            assert operation["security"] == [{"basic": []}]
        elif method in ("get", "head"):
            assert operation["security"] == [{}, {"basic": []}, {"bearer": []}]
        else:
            assert operation["security"] == [{"basic": []}, {"bearer": []}]
    schemes = document["components"]["securitySchemes"]
    assert {name: scheme["scheme"] for name, scheme in schemes.items()} == {
        "basic": "basic",
        "bearer": "bearer",
    }


@pytest.mark.case("C813")
def test_the_document_is_revalidated_and_answered_with_304(service: RunningService) -> None:
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


def test_the_document_describes_no_integer_id_and_no_error_of_fastapi(
    service: RunningService,
) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    assert "id" not in schemas["Image"]["properties"]
    assert "HTTPValidationError" not in schemas


@pytest.mark.case("C803")
def test_members_are_required_and_nullable_as_they_are_sent(service: RunningService) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    made = service.make_image(service.sign_in(), visibility="public")
    client = service.client()
    for name, sent, nulls in (
        ("Image", client.get("/image").json()[0], {"owner"}),
        (
            "DetailedImage",
            client.get(f"/image/{made['guid']}").json(),
            {"owner", "purchase", "sources"},
        ),
    ):
        image = schemas[name]
        assert set(image["required"]) == set(image["properties"]) == set(sent)
        nullable = {name for name, member in image["properties"].items() if "anyOf" in member}
        assert nullable == {name for name, value in sent.items() if value is None} == nulls
    keys = service.sign_in()
    new_key = keys.post("/key", json={"name": "laptop"}).json()
    for name, sent in (("NewApiKey", new_key), ("ApiKey", keys.get("/key").json()[0])):
        schema = schemas[name]
        assert set(schema["required"]) == set(schema["properties"]) == set(sent)
        nullable = {name for name, member in schema["properties"].items() if "anyOf" in member}
        assert nullable == {name for name, value in sent.items() if value is None}
    # these members are left out if they have no value
    for name, optional in {
        "Creation": {"problem", *OPTIONS},
        "CreationProblem": {"upstream_request_id"},
        "Problem": {"errors", "retryable", "billed", "upstream_request_id"},
    }.items():
        schema = schemas[name]
        assert set(schema["properties"]) - set(schema["required"]) == optional
        nullable = {name for name, member in schema["properties"].items() if "anyOf" in member}
        assert nullable <= {"owner"}


def test_the_examples_have_every_required_member(service: RunningService) -> None:
    document = service.client().get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    answers = document["paths"]["/image"]["post"]["responses"]
    for status, name in (("201", "DetailedImage"), ("202", "Creation")):
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


def test_descriptions_contain_no_remark_on_the_source(service: RunningService) -> None:
    schemas = service.client().get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Image"]["description"] == "An image that is stored."


def test_every_operation_has_a_tag_that_is_described(service: RunningService) -> None:
    document = service.client().get("/openapi.json").json()
    tags = {tag["name"] for tag in document["tags"]}
    assert tags == {"images", "v1", "keys", "health"}
    for path, methods in document["paths"].items():
        tag = {"health": "health", "key": "keys", "v1": "v1"}.get(path.split("/")[1], "images")
        for operation in methods.values():
            assert operation["tags"] == [tag]


@pytest.mark.case("C973")
def test_every_operation_with_a_body_may_answer_that_it_comes_too_slowly(
    service: RunningService,
) -> None:
    paths = service.client().get("/openapi.json").json()["paths"]
    with_body = [op for item in paths.values() for op in item.values() if "requestBody" in op]
    assert len(with_body) > 5
    for operation in with_body:
        assert {"408", "413"} <= set(operation["responses"]), operation["operationId"]
