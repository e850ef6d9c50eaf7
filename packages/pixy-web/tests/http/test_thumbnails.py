"""Thumbnails: cases C440 to C452, and C912."""

import asyncio
import hashlib
import io
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from PIL import Image as Picture

from pixy_service import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS
from pixy_service.pixels.shrinking import VERSION
from pixy_web.http.error_handler import STATUSES
from pixy_web.threads.threads import Threads, ThumbnailsBusyError
from provider_answers import make_png
from running_service import RunningService

WIDE = make_png(1024, 1024)
AVIF = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8"


@pytest.fixture
def image_path(service: RunningService) -> str:
    """The path of the content of a new public image without thumbnails."""
    image = service.make_image(service.sign_in(), "grey", "public", WIDE)
    return f"/image/{image['guid']}/content"


def open_picture(answer: httpx2.Response) -> Picture.Image:
    assert answer.status_code == 200, answer.text
    picture = Picture.open(io.BytesIO(answer.content))
    picture.load()
    return picture


def list_thumbnails(service: RunningService, path: str) -> list[str]:
    folder, guid = service.settings.data_dir / "thumbnails", path.split("/")[2]
    return sorted(file.name.removeprefix(f"{guid}.") for file in folder.rglob(f"{guid}*"))


@pytest.mark.case("C440")
@pytest.mark.parametrize("width", [160, 320, 640])
def test_a_width_gives_a_thumbnail_of_that_width(
    service: RunningService, image_path: str, width: int
) -> None:
    client = service.client()
    original = client.get(image_path)
    answer = client.get(image_path, params={"width": width})
    assert open_picture(answer).size == (width, width)
    assert answer.headers["content-type"] == "image/webp"
    assert len(answer.content) == int(answer.headers["content-length"]) < len(original.content)
    assert client.get(image_path).content == original.content


@pytest.mark.case("C440")
def test_a_thumbnail_shows_what_the_original_shows(service: RunningService) -> None:
    client = service.sign_in()
    image_path = f"/image/{service.draw_image(client)['guid']}/content"
    whole = open_picture(client.get(image_path)).convert("RGB").resize((16, 16))
    for accept in ("*/*", AVIF):
        answer = client.get(image_path, params={"width": 640}, headers={"Accept": accept})
        small = open_picture(answer).convert("RGB").resize((16, 16))
        pairs = zip(whole.tobytes(), small.tobytes(), strict=True)
        assert max(abs(one - other) for one, other in pairs) < 24


@pytest.mark.case("C441")
def test_no_other_width_is_made(service: RunningService, image_path: str) -> None:
    client = service.client()
    for query in (
        *("width=0", "width=-160", "width=161", "width=8192", "width=0160", "width=160.0"),
        *("width=abc", "width=", "width", "width=160&width=160", "width=160&width=", "width=%00"),
        *("width=1_60", "width=+160", "width=%D9%A1", f"width={'9' * 5000}"),
    ):
        answer = client.get(f"{image_path}?{query}")
        assert answer.status_code == 422, query[:30]
        assert answer.json()["errors"][0]["location"] == ["query", "width"]
    assert service.sign_in().get(f"{image_path}?width=161").status_code == 422
    assert list_thumbnails(service, image_path) == []


@pytest.mark.case("C442")
def test_a_narrower_original_keeps_its_own_size(service: RunningService, image_path: str) -> None:
    answer = service.client().get(image_path, params={"width": 1280})
    assert answer.headers["content-type"] == "image/webp"
    assert open_picture(answer).size == (1024, 1024)
    assert list_thumbnails(service, image_path) == [f"1024.{VERSION}.webp"]


@pytest.mark.case("C443")
def test_avif_is_sent_to_clients_that_name_it(service: RunningService, image_path: str) -> None:
    client = service.client()
    for accept, expected in (
        (AVIF, "image/avif"),
        ("IMAGE/AVIF ; Q=0.5", "image/avif"),
        ("text/html,image/avif;q=1.000", "image/avif"),
        ("image/avif;q=0", "image/webp"),
        ("image/avif;q=0.000, */*", "image/webp"),
        ("image/avifx, x-image/avif, image/avif;q=2, image/avif;q=x", "image/webp"),
        ("*/*", "image/webp"),
        ("image/*", "image/webp"),
        ("image/png", "image/webp"),
        ("", "image/webp"),
        (",;,=\"'", "image/webp"),
    ):
        answer = client.get(image_path, params={"width": 160}, headers={"Accept": accept})
        assert answer.headers["content-type"] == expected, accept
        assert answer.headers["vary"] == "Authorization, Accept"
        assert Picture.MIME[open_picture(answer).format or ""] == expected


@pytest.mark.case("C444")
def test_a_thumbnail_has_the_caching_and_security_headers_of_its_file(
    service: RunningService,
) -> None:
    owner = service.sign_in()
    for visibility in ("private", "class", "public"):
        guid = service.make_image(owner, visibility=visibility)["guid"]
        for client in (owner, service.client()):
            whole = client.get(f"/image/{guid}/content")
            for _ in range(2):  # first made, then found
                small = client.get(f"/image/{guid}/content?width=160")
                assert small.status_code == whole.status_code
                for name in ("cache-control", "content-security-policy", "x-content-type-options"):
                    assert small.headers.get(name) == whole.headers.get(name), name


@pytest.mark.case("C445")
def test_the_tag_is_that_of_the_bytes(service: RunningService, image_path: str) -> None:
    client = service.client()
    original = client.get(image_path).headers["etag"]
    for width in THUMBNAIL_WIDTHS:
        for accept in ("*/*", AVIF):
            url, headers = f"{image_path}?width={width}", {"Accept": accept}
            made, found = client.get(url, headers=headers), client.get(url, headers=headers)
            tag = made.headers["etag"]
            assert tag == f'"{hashlib.sha256(made.content).hexdigest()}"' != original
            assert (found.content, found.headers["etag"]) == (made.content, tag)
            same = client.get(url, headers={**headers, "If-None-Match": f'"x", W/{tag}'})
            assert (same.status_code, same.content) == (304, b"")
            for name in ("etag", "cache-control", "vary"):
                assert same.headers[name] == made.headers[name]
            other = client.get(url, headers={**headers, "If-None-Match": original})
            assert (other.status_code, other.content) == (200, made.content)


@pytest.mark.case("C445")
def test_a_range_of_a_thumbnail_is_ignored(service: RunningService, image_path: str) -> None:
    answer = service.client().get(f"{image_path}?width=160", headers={"Range": "bytes=0-9"})
    assert open_picture(answer).size == (160, 160)
    assert "accept-ranges" not in answer.headers


@pytest.mark.case("C446")
def test_head_of_a_thumbnail_is_get_without_a_body(service: RunningService) -> None:
    owner = service.sign_in()
    path = f"/image/{service.make_image(owner, visibility='public')['guid']}/content?width=320"
    for client in (owner, service.client()):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "cache-control", "vary"):
            assert head.headers[name] == get.headers[name]


@pytest.mark.case("C447")
def test_a_thumbnail_is_visible_to_those_who_may_see_the_image(service: RunningService) -> None:
    owner, mate = service.sign_in("a"), service.sign_in("a")
    guid = service.make_image(owner, visibility="public")["guid"]
    path = f"/image/{guid}/content?width=160"
    others = (service.client(), service.sign_in("b"))
    for client in (owner, mate, *others):
        assert client.get(path).status_code == 200
    owner.patch(f"/image/{guid}", json={"visibility": "class"})
    assert [client.get(path).status_code for client in (owner, mate, *others)] == [
        *(200, 200, 404, 404)
    ]
    owner.patch(f"/image/{guid}", json={"visibility": "private"})
    assert [client.get(path).status_code for client in (owner, mate)] == [200, 404]
    refused = service.client("nobody").get(path)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def make_link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.case("C448")
@pytest.mark.parametrize("damage", [Path.unlink, truncate, flip_a_bit, make_link])
def test_no_thumbnail_of_a_damaged_file_is_served(
    service: RunningService, image_path: str, damage: Callable[[Path], None]
) -> None:
    client = service.client()
    assert client.get(f"{image_path}?width=160").status_code == 200
    (path,) = service.settings.data_dir.rglob(f"images/*/{image_path.split('/')[2]}.png")
    damage(path)
    for width in (160, 320):  # one that was made before, and one that was not
        answer = client.get(f"{image_path}?width={width}")
        assert (answer.status_code, answer.json()["code"]) == (500, "content_damaged")
        assert client.head(f"{image_path}?width={width}").status_code == 500


@pytest.mark.case("C448")
def test_an_original_that_was_only_touched_keeps_its_thumbnails(
    service: RunningService, image_path: str
) -> None:
    client = service.client()
    before = client.get(f"{image_path}?width=160")
    (path,) = service.settings.data_dir.rglob(f"images/*/{image_path.split('/')[2]}.png")
    path.touch()
    (small,) = service.settings.data_dir.rglob(f"{image_path.split('/')[2]}.160.*.webp")
    made = small.stat().st_ino
    assert client.get(f"{image_path}?width=160").content == before.content
    assert (small.stat().st_ino, small.stat().st_mtime_ns) == (made, path.stat().st_ctime_ns)


@pytest.mark.case("C449")
def test_deleting_an_image_removes_its_thumbnails(service: RunningService) -> None:
    owner = service.sign_in()
    first, second = (
        f"/image/{service.make_image(owner, 'x', 'public', make_png(1024, 1000 + n))['guid']}"
        for n in range(2)
    )
    for path in (first, second):
        for width in THUMBNAIL_WIDTHS:
            for accept in ("*/*", AVIF):
                url = f"{path}/content?width={width}"
                assert owner.get(url, headers={"Accept": accept}).status_code == 200
    assert len(list_thumbnails(service, first)) == len(list_thumbnails(service, second)) == 8
    assert owner.delete(first).status_code == 204
    assert list_thumbnails(service, first) == []
    assert len(list_thumbnails(service, second)) == 8
    assert owner.get(f"{first}/content?width=160").status_code == 404


@pytest.mark.case("C450")
def test_the_folder_may_be_deleted_while_the_service_runs(
    service: RunningService, image_path: str
) -> None:
    client = service.client()
    before = client.get(f"{image_path}?width=160")
    shutil.rmtree(service.settings.data_dir / "thumbnails")
    assert client.get(f"{image_path}?width=160").content == before.content
    assert list_thumbnails(service, image_path) == [f"160.{VERSION}.webp"]
    assert client.get(image_path).status_code == 200


@pytest.mark.case("C450")
def test_thumbnails_are_served_even_if_their_folder_can_t_be_written(fresh: RunningService) -> None:
    (fresh.settings.data_dir / "thumbnails").write_text("no folder")
    guid = fresh.make_image(fresh.sign_in(), "grey", "public", WIDE)["guid"]
    client = fresh.client()
    for _ in range(2):
        answer = client.get(f"/image/{guid}/content?width=160")
        assert open_picture(answer).size == (160, 160)
    assert any("can't be kept" in line for line in fresh.log_lines())


@pytest.mark.case("C451")
def test_concurrent_requests_get_the_same_bytes_and_leave_nothing_behind(
    service: RunningService, image_path: str
) -> None:
    client = service.client()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.get(f"{image_path}?width=640"), range(32)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert list_thumbnails(service, image_path) == [f"640.{VERSION}.webp"]


@pytest.mark.case("C452")
def test_too_many_waiting_thumbnails_are_refused() -> None:
    threads = Threads(1, "pixy-test", limit=1, refusal=ThumbnailsBusyError)
    release = threading.Event()

    async def ask_twice() -> None:
        first = asyncio.ensure_future(threads.run(release.wait))
        await asyncio.sleep(0)
        with pytest.raises(ThumbnailsBusyError):
            await threads.run(release.wait)
        release.set()
        await first

    asyncio.run(ask_twice())
    threads.close()
    assert STATUSES[ThumbnailsBusyError] == (503, "thumbnails_busy", {"Retry-After": "2"})


@pytest.mark.case("C912")
def test_concurrent_requests_for_one_thumbnail_make_it_once(service: RunningService) -> None:
    body = {"prompt": "a wide lake", "visibility": "public", "size": "3840x2160"}
    guid = service.sign_in().post("/image", json=body).json()["guid"]
    host, port = service.url.removeprefix("http://").split(":")
    head = f"GET /image/{guid}/content?width=1280 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    async def ask_at_once(count: int) -> list[bytes]:
        streams = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
        for number, (_, writer) in enumerate(streams):
            writer.write(head.encode())
            if number % 50 == 0:  # so that they do not all wait for the same query
                await asyncio.sleep(0.02)
        answers = [await reader.read() for reader, _ in streams]
        for _, writer in streams:
            writer.close()
        return [answer.partition(b"\r\n\r\n")[0] for answer in answers]

    # as many as may wait for a query, and more than two threads make in time, one for each
    heads = asyncio.run(ask_at_once(250))
    assert {head.split()[1] for head in heads} == {b"200"}
    tags = {line for head in heads for line in head.split(b"\r\n") if line.startswith(b"etag")}
    assert len(tags) == 1


def test_this_release_of_pillow_writes_avif() -> None:
    assert THUMBNAIL_TYPES == ("image/avif", "image/webp")
