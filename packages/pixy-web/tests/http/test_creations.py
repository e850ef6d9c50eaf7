"""Pending, failed and unknown creations: cases C320 to C325, C620 to C625."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest

from provider import Provider
from running_service import RunningService

ASYNC = {"Prefer": "respond-async"}


class Pending(NamedTuple):
    """A creation that is pending for as long as the test runs."""

    owner: httpx2.Client
    service: RunningService
    path: str
    details: dict[str, Any]


@pytest.fixture
def pending(patient: RunningService, provider: Provider) -> Iterator[Pending]:
    owner = patient.sign_in("one")
    with provider.holding():
        body = {"prompt": "x", "visibility": "public"}
        answer = owner.post("/image", json=body, headers=ASYNC)
        yield Pending(owner, patient, answer.headers["location"], answer.json())


def fail(client: httpx2.Client, provider: Provider, behaviour: str) -> dict[str, Any]:
    """Return the problem of an image that can't be made."""
    provider.behave(behaviour)
    problem: dict[str, Any] = client.post("/image", json={"prompt": "x"}).json()
    return problem


def listed(client: httpx2.Client, status: str) -> list[dict[str, Any]]:
    answer = client.get("/image", params={"status": status})
    assert answer.status_code == 200, answer.text
    creations: list[dict[str, Any]] = answer.json()
    return creations


@pytest.mark.case("C320")
def test_a_pending_creation_becomes_an_image(patient: RunningService, provider: Provider) -> None:
    owner = patient.sign_in()
    with provider.holding():
        made = owner.post("/image", json={"prompt": "x"}, headers=ASYNC)
        shown = owner.get(made.headers["location"])
    assert (shown.status_code, shown.json()["status"]) == (200, "pending")
    assert int(shown.headers["retry-after"]) > 0
    assert shown.headers["cache-control"] == "private, no-store"
    members = ("guid", "prompt", "visibility", "owner", "created_at")
    assert [shown.json()[name] for name in members] == [made.json()[name] for name in members]
    deadline = time.monotonic() + 30
    while owner.get(made.headers["location"]).json()["status"] != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    image = owner.get(made.headers["location"])
    assert image.json()["guid"] == made.json()["guid"]
    assert "retry-after" not in image.headers


@pytest.mark.case("C321")
@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("moderation_blocked", "failed"), ("null_data", "failed"), ("reset", "unknown")],
)
def test_a_failed_creation_says_why(
    patient: RunningService, provider: Provider, behaviour: str, status: str
) -> None:
    owner = patient.sign_in()
    problem = fail(owner, provider, behaviour)
    (creation,) = listed(owner, status)
    shown = owner.get(f"/image/{creation['guid']}")
    assert (shown.status_code, shown.json()) == (200, creation)
    assert creation["problem"] == {
        name: problem[name]
        for name in ("code", "detail", "retryable", "billed", "upstream_request_id")
        if name in problem
    }
    assert "retry-after" not in shown.headers


def body_without_request_id(answer: httpx2.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


@pytest.mark.case("C322")
def test_a_creation_is_visible_to_its_owner_only(pending: Pending) -> None:
    service = pending.service
    absent = "/image/00000000-0000-4000-8000-000000000000"
    for client in (service.client(), service.sign_in("one"), service.sign_in("two")):
        for suffix in ("", "/content"):
            answer, other = client.get(pending.path + suffix), client.get(absent + suffix)
            assert answer.status_code == 404
            assert body_without_request_id(answer) == body_without_request_id(other)
    other = service.sign_in("one")
    assert other.delete(pending.path).status_code == 404
    assert other.patch(pending.path, json={"visibility": "public"}).status_code == 404


@pytest.mark.case("C323")
def test_a_pending_creation_has_no_content_yet(pending: Pending) -> None:
    answer = pending.owner.get(f"{pending.path}/content")
    assert (answer.status_code, answer.json()["code"]) == (409, "image_pending")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.case("C323")
def test_a_failed_creation_has_no_content(patient: RunningService, provider: Provider) -> None:
    owner = patient.sign_in()
    fail(owner, provider, "moderation_blocked")
    (creation,) = listed(owner, "failed")
    assert owner.get(f"/image/{creation['guid']}/content").status_code == 404


@pytest.mark.case("C324")
def test_a_pending_creation_can_t_be_changed(pending: Pending) -> None:
    for answer in (
        pending.owner.patch(pending.path, json={"visibility": "private"}),
        pending.owner.delete(pending.path),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "image_pending")
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.case("C324")
@pytest.mark.parametrize(("behaviour", "status"), [("null_data", "failed"), ("reset", "unknown")])
def test_a_failed_creation_can_be_deleted(
    patient: RunningService, provider: Provider, behaviour: str, status: str
) -> None:
    owner = patient.sign_in()
    fail(owner, provider, behaviour)
    (creation,) = listed(owner, status)
    path = f"/image/{creation['guid']}"
    assert owner.patch(path, json={"visibility": "public"}).status_code == 404
    assert owner.delete(path).status_code == 204
    assert owner.get(path).status_code == 404
    assert owner.delete(path).status_code == 404
    assert listed(owner, status) == []


@pytest.mark.case("C325")
def test_head_of_a_creation_answers_as_get(pending: Pending) -> None:
    got, head = pending.owner.get(pending.path), pending.owner.head(pending.path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "retry-after", "cache-control"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.case("C620")
def test_a_status_lists_the_caller_s_own_creations(pending: Pending) -> None:
    assert [creation["guid"] for creation in listed(pending.owner, "pending")] == [
        pending.details["guid"]
    ]
    assert listed(pending.owner, "failed") == listed(pending.owner, "unknown") == []
    assert listed(pending.service.sign_in("one"), "pending") == []


@pytest.mark.case("C620")
def test_creations_are_listed_newest_first(patient: RunningService, provider: Provider) -> None:
    owner = patient.sign_in()
    for _ in range(3):
        fail(owner, provider, "moderation_blocked")
    times = [creation["created_at"] for creation in listed(owner, "failed")]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)


@pytest.mark.case("C621")
def test_a_list_without_status_has_no_creations(pending: Pending) -> None:
    for client in (pending.owner, pending.service.client()):
        assert client.get("/image").json() == listed(client, "ready") == []


@pytest.mark.case("C621")
def test_ready_is_the_list_of_images(service: RunningService) -> None:
    owner = service.sign_in()
    image = service.make_image(owner)
    assert image["status"] == "ready"
    assert image["guid"] in [found["guid"] for found in listed(owner, "ready")]
    page = owner.get("/image", params={"status": "ready", "limit": "1"}).json()
    assert [found["guid"] for found in page] == [image["guid"]]


@pytest.mark.case("C622")
@pytest.mark.parametrize("status", ["pending", "failed", "unknown"])
def test_anonymous_callers_have_no_creations(pending: Pending, status: str) -> None:
    assert listed(pending.service.client(), status) == []


@pytest.mark.case("C623")
@pytest.mark.parametrize("query", ["status=done", "status=", "status=ready&status=failed"])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_an_unknown_status_is_refused(
    service: RunningService, query: str, is_signed_in: bool
) -> None:
    client = service.sign_in() if is_signed_in else service.client()
    answer = client.get(f"/image?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["location"] == ["query", "status"]


@pytest.mark.case("C626")
@pytest.mark.parametrize("cursor", ["junk", ""])
@pytest.mark.parametrize("is_signed_in", [True, False])
def test_an_invalid_cursor_is_refused(
    service: RunningService, cursor: str, is_signed_in: bool
) -> None:
    client = service.sign_in() if is_signed_in else service.client()
    for status in ("ready", "pending", "failed", "unknown"):
        answer = client.get("/image", params={"status": status, "limit": "1", "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert answer.json()["errors"][0]["location"] == ["query", "cursor"]


@pytest.mark.case("C624")
def test_pages_of_creations_follow_each_other(patient: RunningService, provider: Provider) -> None:
    owner = patient.sign_in()
    for _ in range(5):
        fail(owner, provider, "moderation_blocked")
    found: list[str] = []
    path: str | None = "/image?status=failed&limit=2"
    while path is not None:
        page = owner.get(path)
        found += [creation["guid"] for creation in page.json()]
        path = page.links["next"]["url"] if "next" in page.links else None
    assert found == [creation["guid"] for creation in listed(owner, "failed")]
    assert len(set(found)) == 5


@pytest.mark.case("C625")
def test_a_cursor_of_another_list_is_refused(patient: RunningService, provider: Provider) -> None:
    owner = patient.sign_in()
    for _ in range(2):
        fail(owner, provider, "moderation_blocked")
    cursor = httpx2.URL(owner.get("/image?status=failed&limit=1").links["next"]["url"]).params[
        "cursor"
    ]
    for query in ({"status": "unknown"}, {}):
        answer = owner.get("/image", params={"limit": "1", "cursor": cursor, **query})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    provider.behave("png")
    for _ in range(2):
        patient.make_image(owner)
    images = httpx2.URL(owner.get("/image?limit=1").links["next"]["url"]).params["cursor"]
    answer = owner.get("/image", params={"status": "failed", "cursor": images})
    assert answer.status_code == 422
