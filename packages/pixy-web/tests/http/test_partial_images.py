"""Partial images: cases C360 to C367."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx2
import pytest

from provider import Provider
from provider_answers import PNG
from provider_events import PARTIALS
from running_service import RunningService

ASYNC = {"Prefer": "respond-async"}
ABSENT = "/image/00000000-0000-4000-8000-000000000000"
Start = Callable[..., RunningService]


class Pending(NamedTuple):
    """A pending creation with its partial images."""

    owner: httpx2.Client
    service: RunningService
    path: str

    @property
    def preview(self) -> str:
        return f"{self.path}/preview"


def start_with_partials(start_service: Start, provider: Provider, count: int) -> RunningService:
    return start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        partial_images=count,
    )


@pytest.fixture
def watched(provider: Provider, start_service: Start) -> RunningService:
    """A service that requests two partial images of each image."""
    return start_with_partials(start_service, provider, 2)


@pytest.fixture
def pending(watched: RunningService, provider: Provider) -> Iterator[Pending]:
    owner = watched.sign_in("one")
    with provider.unfinished():
        path = ask(owner)
        wait_until(lambda: owner.get(f"{path}/preview").content == PARTIALS[1])
        yield Pending(owner, watched, path)


def ask(owner: httpx2.Client) -> str:
    answer = owner.post("/image", json={"prompt": "x", "visibility": "public"}, headers=ASYNC)
    assert answer.status_code == 202
    path: str = answer.headers["location"]
    return path


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for(owner: httpx2.Client, path: str, status: str) -> dict[str, Any]:
    wait_until(lambda: owner.get(path).json()["status"] == status)
    details: dict[str, Any] = owner.get(path).json()
    return details


def without_request_id(answer: httpx2.Response) -> tuple[object, ...]:
    varying = ("x-request-id", "date")
    headers = {name: value for name, value in answer.headers.items() if name not in varying}
    body = {name: value for name, value in answer.json().items() if name != "request_id"}
    return answer.status_code, body, headers


@pytest.mark.case("C360")
def test_the_owner_sees_the_latest_partial_image(pending: Pending) -> None:
    details = pending.owner.get(pending.path)
    assert details.links["preview"]["url"] == pending.preview
    answer = pending.owner.get(pending.preview)
    assert (answer.status_code, answer.content) == (200, PARTIALS[1])
    assert answer.headers["content-type"] == "image/png"
    assert int(answer.headers["content-length"]) == len(PARTIALS[1])
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["vary"] == "Authorization"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.case("C360")
def test_a_creation_with_a_partial_image_is_still_pending(pending: Pending) -> None:
    assert pending.owner.get(f"{pending.path}/content").json()["code"] == "image_pending"
    assert pending.owner.get("/image").json() == []
    assert pending.owner.get(pending.path).json()["status"] == "pending"


@pytest.mark.case("C361")
@pytest.mark.parametrize("count", [0, 2])
def test_before_the_first_partial_image_the_preview_is_empty(
    start_service: Start, provider: Provider, count: int
) -> None:
    service = start_with_partials(start_service, provider, count)
    owner = service.sign_in()
    with provider.holding():
        path = ask(owner)
        answer = owner.get(f"{path}/preview")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["cache-control"] == "private, no-store"
        assert "link" not in owner.get(path).headers
    wait_for(owner, path, "ready")
    (request,) = provider.requests
    assert ("stream" in request.body) is (count > 0)


@pytest.mark.case("C362")
def test_a_client_that_has_the_latest_partial_image_gets_304(pending: Pending) -> None:
    tag = pending.owner.get(pending.preview).headers["etag"]
    for value in (tag, f'"other", {tag}', "*"):
        answer = pending.owner.get(pending.preview, headers={"If-None-Match": value})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "private, no-store"
    other = pending.owner.get(pending.preview, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.case("C363")
def test_the_preview_of_a_finished_image_redirects_to_its_file(
    pending: Pending, provider: Provider
) -> None:
    provider.finish()
    wait_for(pending.owner, pending.path, "ready")
    strangers = pending.service.client(), pending.service.sign_in("two")
    for client in (pending.owner, *strangers):
        answer = client.get(pending.preview)
        assert (answer.status_code, answer.content) == (303, b"")
        assert answer.headers["location"] == f"{pending.path}/content"
        assert answer.headers["cache-control"] == "private, no-store"
        assert client.get(answer.headers["location"]).content == PNG
    assert "link" not in pending.owner.get(pending.path).headers
    # the answer is sent before the last step
    wait_until(lambda: not list(pending.service.settings.data_dir.rglob("*.part")))


@pytest.mark.case("C364")
@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("events_moderation_blocked", "failed"), ("events_without_end", "unknown")],
)
def test_the_preview_of_a_failed_creation_is_empty(
    watched: RunningService, provider: Provider, behaviour: str, status: str
) -> None:
    owner = watched.sign_in()
    provider.behave(behaviour)
    with provider.unfinished():
        path = ask(owner)
        wait_until(lambda: owner.get(f"{path}/preview").status_code == 200)
    wait_for(owner, path, status)
    assert owner.get(f"{path}/preview").status_code == 204
    assert "link" not in owner.get(path).headers
    wait_until(lambda: not list(watched.settings.data_dir.rglob("*.part")))


@pytest.mark.case("C365")
def test_the_preview_is_visible_to_its_owner_only(pending: Pending) -> None:
    service = pending.service
    for client in (service.client(), service.sign_in("one"), service.sign_in("two")):
        for headers in ({}, {"If-None-Match": "*"}):
            hidden = client.get(pending.preview, headers=headers)
            absent = client.get(f"{ABSENT}/preview", headers=headers)
            assert hidden.status_code == 404
            assert without_request_id(hidden) == without_request_id(absent)
    wrong = service.client("nobody-of-this-name").get(pending.preview)
    assert wrong.status_code == 401
    assert pending.owner.get("/image/x/preview").status_code == 422
    assert pending.owner.get(f"{pending.preview}/x.css").status_code == 404
    refused = pending.owner.delete(pending.preview)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.case("C366")
def test_head_answers_as_get(pending: Pending, provider: Provider) -> None:
    got, head = pending.owner.get(pending.preview), pending.owner.head(pending.preview)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "cache-control"):
        assert head.headers[name] == got.headers[name]
    details = pending.owner.head(pending.path)
    assert details.links["preview"]["url"] == pending.preview
    provider.finish()
    wait_for(pending.owner, pending.path, "ready")
    assert pending.owner.head(pending.preview).status_code == 303


@pytest.mark.case("C367")
def test_invalid_partial_images_are_not_shown(watched: RunningService, provider: Provider) -> None:
    owner = watched.sign_in()
    provider.behave("events_with_bad_partials")
    image = watched.draw_image(owner)
    assert owner.get(f"/image/{image['guid']}/content").content == PNG


@pytest.mark.case("C367")
def test_a_partial_image_that_can_t_be_removed_is_not_shown(
    watched: RunningService, provider: Provider
) -> None:
    owner = watched.sign_in()
    watched.draw_image(owner)
    staging = watched.settings.data_dir / "images" / ".staging"
    with provider.unfinished():
        path = ask(owner)
        wait_until(lambda: owner.get(f"{path}/preview").content == PARTIALS[1])
        # unlink does not remove a folder
        (part,) = staging.glob("*.partial.*")
        part.unlink()
        part.mkdir()
        assert owner.get(f"{path}/preview").status_code == 204
    wait_for(owner, path, "ready")
    assert owner.get(f"{path}/content").content == PNG
    assert "can't be removed" in watched.log.getvalue()
    part.rmdir()
