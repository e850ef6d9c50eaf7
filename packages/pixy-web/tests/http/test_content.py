"""The file of an image: cases C501 to C511."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from running_service import RunningService


@dataclass
class Content:
    """A public image, its bytes, and the client of its owner."""

    owner: httpx2.Client
    stranger: httpx2.Client
    image: dict[str, Any]
    path: str
    whole: bytes
    tag: str

    def get(self, **headers: str) -> httpx2.Response:
        """Send an anonymous request, with header names in snake case."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.stranger.get(self.path, headers=named)


@pytest.fixture(scope="module")
def content(service: RunningService) -> Content:
    owner, stranger = service.sign_in(), service.client()
    image = service.make_image(owner, visibility="public")
    path = f"/image/{image['guid']}/content"
    answer = stranger.get(path)
    return Content(owner, stranger, image, path, answer.content, answer.headers["etag"])


@pytest.mark.case("C501")
def test_the_content_is_the_file_with_its_media_type_and_security_headers(content: Content) -> None:
    answer = content.get()
    assert answer.status_code == 200
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    assert hashlib.sha256(answer.content).hexdigest() == content.image["sha256"]
    assert len(answer.content) == content.image["size"] == int(answer.headers["content-length"])
    assert answer.headers["content-type"] == content.image["media_type"] == "image/png"
    assert answer.headers["etag"] == f'"{content.image["sha256"]}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy == ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "sandbox"]
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.case("C502")
def test_only_public_content_for_anonymous_callers_may_be_cached(
    service: RunningService, content: Content
) -> None:
    private = service.make_image(content.owner)
    answers = {
        "public, max-age=60": [content.get(), content.get(range="bytes=0-9")],
        "private, no-store": [
            content.owner.get(content.path),
            content.owner.get(f"/image/{private['guid']}/content"),
            content.stranger.get(f"/image/{private['guid']}/content"),
            content.get(range="bytes=999999999-"),
        ],
    }
    for caching, group in answers.items():
        for answer in group:
            assert answer.headers["cache-control"] == caching
            assert answer.headers["vary"] == "Authorization"


@pytest.mark.case("C503")
@pytest.mark.parametrize("tags", ["{}", '"x", {}', "W/{}", "*", '"a,b" , {} , "c"'])
def test_if_none_match_with_the_tag_is_not_modified(content: Content, tags: str) -> None:
    answer = content.get(if_none_match=tags.format(content.tag))
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == content.tag
    assert answer.headers["cache-control"] == "public, max-age=60"


@pytest.mark.case("C503")
@pytest.mark.parametrize("tags", ['"other"', "junk", "", '"', "W/", '"a"x'])
def test_if_none_match_with_another_tag_is_answered_in_full(content: Content, tags: str) -> None:
    answer = content.get(if_none_match=tags)
    assert (answer.status_code, answer.content) == (200, content.whole)


@pytest.mark.case("C504")
@pytest.mark.parametrize(("days", "status"), [(0, 304), (1, 304), (-1, 200)])
def test_if_modified_since_compares_with_the_creation(
    content: Content, days: int, status: int
) -> None:
    created = parsedate_to_datetime(content.get().headers["last-modified"])
    since = format_datetime(created + timedelta(days=days), usegmt=True)
    assert content.get(if_modified_since=since).status_code == status


@pytest.mark.case("C504")
@pytest.mark.parametrize(
    "since",
    [
        "junk",
        "",
        "Mon, 99 Nov 2026 10:00:00 GMT",
        "Mon, 01 Jan 999999999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2020 00:00:00 +9999999999999",
        "9" * 400,
    ],
)
def test_an_invalid_if_modified_since_is_ignored(content: Content, since: str) -> None:
    assert content.get(if_modified_since=since).status_code == 200


@pytest.mark.case("C504")
def test_if_modified_since_is_ignored_if_there_is_an_if_none_match(content: Content) -> None:
    since = content.get().headers["last-modified"]
    assert content.get(if_none_match='"other"', if_modified_since=since).status_code == 200


@pytest.mark.case("C505")
def test_a_single_range_is_answered_in_part(content: Content) -> None:
    size = len(content.whole)
    for wanted, part, stated in (
        ("bytes=0-9", content.whole[:10], f"bytes 0-9/{size}"),
        ("bytes=5-", content.whole[5:], f"bytes 5-{size - 1}/{size}"),
        ("bytes=-7", content.whole[-7:], f"bytes {size - 7}-{size - 1}/{size}"),
        (
            f"bytes={size - 1}-{size + 50}",
            content.whole[-1:],
            f"bytes {size - 1}-{size - 1}/{size}",
        ),
        (f"bytes=-{size + 5}", content.whole, f"bytes 0-{size - 1}/{size}"),
    ):
        answer = content.get(range=wanted)
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["content-range"] == stated
        assert answer.headers["etag"] == content.tag


@pytest.mark.case("C856")
@pytest.mark.parametrize("wanted", ["bytes=0-9", "bytes=999999999-"])
def test_head_ignores_a_range(content: Content, wanted: str) -> None:
    answer = content.stranger.head(content.path, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(content.whole))
    assert "content-range" not in answer.headers


@pytest.mark.case("C506")
@pytest.mark.parametrize("wanted", ["bytes={size}-", "bytes=999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_not_satisfiable(content: Content, wanted: str) -> None:
    size = len(content.whole)
    answer = content.get(range=wanted.format(size=size))
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.case("C507")
@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=9-5",
        "bytes=-",
        "bytes=a-b",
        "bytes=\u0661-\u0662".encode().decode("latin-1"),
        "lines=0-9",
        "0-9",
        "",
        "bytes=0-1,5-6",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
        f"bytes={'9' * 5000}-",
    ],
)
def test_a_malformed_or_multiple_range_is_ignored(content: Content, wanted: str) -> None:
    answer = content.stranger.get(content.path, headers=[(b"Range", wanted.encode("latin-1"))])
    assert (answer.status_code, answer.content) == (200, content.whole)


@pytest.mark.case("C508")
def test_a_range_is_sent_only_if_if_range_matches(content: Content) -> None:
    assert content.get(range="bytes=0-9", if_range=content.tag).status_code == 206
    for other in ('"other"', f"W/{content.tag}", content.get().headers["last-modified"]):
        assert content.get(range="bytes=0-9", if_range=other).status_code == 200


@pytest.mark.case("C509")
def test_head_of_content_is_get_without_a_body(content: Content) -> None:
    for client in (content.owner, content.stranger):
        get, head = client.get(content.path), client.head(content.path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "cache-control"):
            assert head.headers[name] == get.headers[name]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.case("C510")
@pytest.mark.parametrize("damage", [Path.unlink, truncate, flip_a_bit, make_folder, make_link])
def test_a_damaged_file_is_never_served(
    service: RunningService, damage: Callable[[Path], None]
) -> None:
    client = service.sign_in()
    guid = service.make_image(client)["guid"]
    assert client.get(f"/image/{guid}/content").status_code == 200
    (path,) = service.settings.data_dir.rglob(f"{guid}.png")
    damage(path)
    for method in ("GET", "HEAD"):
        assert client.request(method, f"/image/{guid}/content").status_code == 500
    assert client.get(f"/image/{guid}/content").json()["code"] == "content_damaged"
    assert client.get(f"/image/{guid}").status_code == 200
    assert guid in client.get("/image").text
    if path.is_dir():
        shutil.rmtree(path)


@pytest.mark.case("C511")
@pytest.mark.parametrize("ending", ["/x.css", ";.png", "/", "x"])
def test_there_are_no_paths_below_the_content(content: Content, ending: str) -> None:
    answer = content.stranger.get(content.path + ending)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.case("C511")
def test_an_unknown_query_changes_nothing(content: Content) -> None:
    answer = content.stranger.get(content.path + "?x=1")
    assert (answer.status_code, answer.content) == (200, content.whole)
