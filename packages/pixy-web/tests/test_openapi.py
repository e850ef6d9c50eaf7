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
