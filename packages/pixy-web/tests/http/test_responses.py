"""Lists and pages: cases C401 to C409."""

import asyncio
import gc
import json
import weakref
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from copied_images import copy_images
from pixy_core import CreationStatus, DBConnectionError, DetailedImage
from pixy_service import ImagePage
from pixy_web.http.paging import Paging
from pixy_web.http.responses import images_response
from running_service import RunningService


def prompts(images: list[dict[str, Any]]) -> list[str]:
    return [image["prompt"] for image in images]


def follow(client: httpx2.Client, url: str) -> list[list[dict[str, Any]]]:
    """Return every page from `url` on."""
    pages = []
    while True:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        if "next" not in answer.links:
            return pages
        url = answer.links["next"]["url"]


def joined(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [image for page in pages for image in page]


@pytest.mark.case("C401")
def test_an_anonymous_caller_gets_public_images_newest_first(fresh: RunningService) -> None:
    client = fresh.sign_in()
    for prompt, visibility in (
        ("first", "public"),
        ("hidden", "private"),
        ("team", "class"),
        ("second", "public"),
    ):
        fresh.make_image(client, prompt, visibility)
    listed = fresh.client().get("/image").json()
    assert prompts(listed) == ["second", "first"]
    assert all(image["owner"] is None for image in listed)


@pytest.mark.case("C402")
def test_a_user_gets_own_class_and_public_images_once_each(fresh: RunningService) -> None:
    me, mate, other = fresh.sign_in("a"), fresh.sign_in("a"), fresh.sign_in("b")
    for client, owner in ((me, "me"), (mate, "mate"), (other, "other")):
        for visibility in ("private", "class", "public"):
            fresh.make_image(client, f"{owner} {visibility}", visibility)
    expected = [
        "other public",
        "mate public",
        "mate class",
        "me public",
        "me class",
        "me private",
    ]
    assert prompts(me.get("/image").json()) == expected
    assert prompts(joined(follow(me, "/image?limit=2"))) == expected


@pytest.mark.case("C403")
def test_no_images_are_an_empty_array(fresh: RunningService) -> None:
    assert fresh.client().get("/image").json() == []
    assert fresh.sign_in().get("/image").json() == []
    assert "link" not in fresh.client().get("/image?limit=5").headers


@pytest.mark.case("C404")
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_following_link_gives_the_whole_list_and_ends(fresh: RunningService, limit: int) -> None:
    client = fresh.sign_in()
    for number in range(6):
        fresh.make_image(client, f"image {number}", "public")
    for caller in (client, fresh.client()):
        pages = follow(caller, f"/image?limit={limit}")
        assert all(1 <= len(page) <= limit for page in pages)
        assert joined(pages) == caller.get("/image").json()


@pytest.mark.case("C405")
def test_changes_between_pages_neither_repeat_nor_hide_an_image(fresh: RunningService) -> None:
    client = fresh.sign_in()
    images = [fresh.make_image(client, f"image {number}") for number in range(6)]
    first = client.get("/image?limit=2")
    fresh.make_image(client, "newer")
    # the image of the cursor is deleted too
    for gone in (images[4], images[2]):
        assert client.delete(f"/image/{gone['guid']}").status_code == 204
    rest = joined(follow(client, first.links["next"]["url"]))
    assert prompts(first.json()) == ["image 5", "image 4"]
    assert prompts(rest) == ["image 3", "image 1", "image 0"]


@pytest.mark.case("C406")
@pytest.mark.parametrize(
    "limit", ["0", "-1", "201", "abc", "1e3", "1_0", "1.0", "%2B1", "%201", ""], ids=repr
)
def test_a_limit_out_of_range_is_refused(service: RunningService, limit: str) -> None:
    for client in (service.client(), service.sign_in()):
        answer = client.get(f"/image?limit={limit}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert answer.json()["errors"][0]["location"] == ["query", "limit"]


@pytest.mark.case("C406")
def test_a_limit_given_twice_is_refused(service: RunningService) -> None:
    assert service.client().get("/image?limit=1&limit=2").status_code == 422


@pytest.mark.case("C407")
def test_a_cursor_that_was_not_given_to_this_caller_is_refused(fresh: RunningService) -> None:
    me, mate = fresh.sign_in(), fresh.sign_in()
    for number in range(3):
        fresh.make_image(me, f"image {number}", "public")
    url = me.get("/image?limit=1").links["next"]["url"]
    cursor = httpx2.URL(url).params["cursor"]
    middle = len(cursor) // 2
    swapped = "A" if cursor[middle] != "A" else "B"
    tampered = cursor[:middle] + swapped + cursor[middle + 1 :]
    assert me.get(url).status_code == 200
    for client, value in (
        (mate, cursor),
        (fresh.client(), cursor),
        (me, tampered),
        (me, cursor[:-1]),
        (me, "made-up"),
        (me, ""),
        (me, "é" * 2000),
    ):
        answer = client.get("/image", params={"limit": 1, "cursor": value})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert me.get(f"{url}&cursor={cursor}").status_code == 422


@pytest.mark.case("C408")
def test_the_whole_list_is_complete_beyond_one_page(fresh: RunningService) -> None:
    client = fresh.sign_in()
    fresh.make_image(client, "image", "public")
    copy_images(fresh.settings.data_dir, 204)
    expected = ["image", *(f"image, no. {number}" for number in range(1, 205))]
    assert prompts(client.get("/image").json()) == expected
    assert prompts(fresh.client().get("/image").json()) == expected


@pytest.mark.case("C409")
@pytest.mark.parametrize("path", ["/image", "/image?limit=1"])
def test_head_of_a_list_is_get_without_a_body(service: RunningService, path: str) -> None:
    client = service.sign_in()
    for _ in range(2):
        service.make_image(client, visibility="public")
    for caller in (client, service.client()):
        get, head = caller.get(path), caller.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == "application/json"
        for name in ("link", "content-length"):
            assert head.headers.get(name) == get.headers.get(name)


def test_a_page_that_fails_after_the_client_left_causes_no_error_in_the_loop(
    fresh: RunningService,
) -> None:
    image = fresh.make_image(fresh.sign_in(), visibility="public")
    reports: list[dict[str, Any]] = []

    async def list_images(limit: int, cursor: str | None) -> ImagePage:
        if cursor is not None:
            raise DBConnectionError
        return ImagePage([DetailedImage(id=1, **image)], "more")

    async def leave_after_the_first_page() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))
        request = Request({"type": "http", "method": "GET", "headers": []})
        paging = Paging(None, None, CreationStatus.READY, None, {})
        response = await images_response(request, list_images, paging)
        assert isinstance(response, StreamingResponse)
        assert await anext(aiter(response.body_iterator))
        # meanwhile the second page fails
        await asyncio.sleep(0.01)
        # a cancelled response is in a reference cycle with its frames until garbage collection
        cycle: list[object] = [response]
        cycle.append(cycle)
        del response, cycle
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(leave_after_the_first_page())
    assert reports == []


def test_an_array_of_long_prompts_is_sent_in_chunks_and_not_kept(fresh: RunningService) -> None:
    details = fresh.make_image(fresh.sign_in()) | {"prompt": "x" * 32_000}
    kept: list[weakref.ref[DetailedImage]] = []

    async def list_images(limit: int, cursor: str | None, *, is_quick: bool = False) -> ImagePage:
        images = [DetailedImage(id=number, **details) for number in range(50)]
        kept.extend(map(weakref.ref, images))
        return ImagePage(images, None)

    async def read() -> list[bytes]:
        request = Request({"type": "http", "method": "GET", "headers": []})
        paging = Paging(None, None, CreationStatus.READY, None, {})
        response = await images_response(request, list_images, paging)
        assert isinstance(response, StreamingResponse)
        pieces = aiter(response.body_iterator)
        first = await anext(pieces)
        # while a slow client reads
        assert not any(reference() for reference in kept)
        return [bytes(first), *[bytes(piece) async for piece in pieces]]

    pieces = asyncio.run(read())
    whole = b"".join(pieces)
    assert len(json.loads(whole)) == 50
    assert max(map(len, pieces)) < len(whole) // 2
