"""Uploads over HTTP: cases C965 to C975 of docs/api.md."""

import contextlib
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from odd_image import draw, save
from provider_answers import GIF, JPEG, PNG, WEBP, make_png
from raw_http import basic, exchange
from running_service import PASSWORD, RunningService

PNG_TYPE = {"Content-Type": "image/png"}


def upload(client: httpx2.Client, content: bytes, **headers: str) -> httpx2.Response:
    return client.post("/image/upload", content=content, headers={**PNG_TYPE, **headers})


def list_files(service: RunningService) -> list[str]:
    """Return the names of all files of images, unfinished ones and the journal's too."""
    folders = ("images", "journal")
    return [
        path.name
        for folder in folders
        for path in (service.settings.data_dir / folder).rglob("*")
        if path.is_file() and path.name != ".store"
    ]


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - what iterdir opens would count


@pytest.mark.case("C965")
@pytest.mark.parametrize(
    ("content", "media_type"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")]
)
@pytest.mark.parametrize(
    "declared", ["image/png", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_body_that_is_an_image_is_kept(
    service: RunningService, content: bytes, media_type: str, declared: str
) -> None:
    ada = service.sign_in()
    answer = ada.post(
        "/image/upload?prompt=my%20cat", content=content, headers={"Content-Type": declared}
    )
    assert answer.status_code == 201, answer.text
    details = answer.json()
    assert (details["prompt"], details["visibility"]) == ("my cat", "private")
    assert (details["generator"], details["model"]) == ("upload", "upload")
    assert (details["media_type"], details["size"]) == (media_type, len(content))
    assert details["sha256"] == hashlib.sha256(content).hexdigest()
    location = answer.headers["Location"]
    assert ada.get(location).json() == details
    assert ada.get(f"{location}/content").content == content
    assert service.client().get(location).status_code == 404


@pytest.mark.case("C966")
@pytest.mark.parametrize(
    ("filename", "texts", "prompt"),
    [
        ("cat.png", {}, "cat.png"),
        ("cat.png", {"prompt": "größer 🐈\r\n"}, "größer 🐈\r\n"),
        ("C:\\fakepath\\Katze groß.png", {}, "Katze groß.png"),
        ("\u200b", {}, "upload"),
    ],
)
def test_a_form_with_an_image_is_kept(
    service: RunningService, filename: str, texts: dict[str, str], prompt: str
) -> None:
    ada = service.sign_in()
    answer = ada.post("/image/upload", files={"file": (filename, PNG)}, data=texts)
    assert answer.status_code == 201, answer.text
    assert answer.json()["prompt"] == prompt
    assert ada.get(answer.headers["Location"] + "/content").content == PNG


@pytest.mark.case("C966")
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_form_may_come_in_any_pieces(service: RunningService, size: int) -> None:
    ada = service.sign_in()
    # what looks like a boundary is a part of the file
    lines = b"".join(b"\r\n--%b\r\n--bounD" % os.urandom(9) for _ in range(50))
    noise = save(draw(), "JPEG", comment=lines)
    head = (
        b'--bound\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nfirst\r\n'
        b'--bound\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n"
    )
    body = head + noise + b"\r\n--bound--\r\n"
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    answer = ada.post(
        "/image/upload",
        content=pieces,
        headers={"Content-Type": 'multipart/form-data; boundary="bound"'},
    )
    assert (answer.status_code, answer.json()["prompt"]) == (201, "first")
    assert ada.get(answer.headers["Location"] + "/content").content == noise


@pytest.mark.case("C967")
def test_the_same_bytes_are_the_same_image(service: RunningService) -> None:
    ada, ben = service.sign_in(), service.sign_in()
    first = upload(ada, PNG)
    again = ada.post("/image/upload", files={"file": ("cat.png", PNG)}, data={"prompt": "cat"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert upload(ben, PNG).status_code == 201
    assert ada.delete(first.headers["Location"]).status_code == 204
    assert upload(ada, PNG).status_code == 201


@pytest.mark.case("C968")
def test_what_is_no_still_image_is_refused(start_service: Callable[..., RunningService]) -> None:
    service = start_service(max_upload_pixels=64 * 48)
    ada = service.sign_in()
    moving = save(draw(), "WEBP", save_all=True, append_images=[draw([(9, 9, 9)] * 4)])
    junk = [b"", b"junk", GIF, b"<svg/>", PNG[:-20], PNG + b"PK", moving, make_png(64, 49)]
    for content in (*junk, make_png(8193, 1)):
        for answer in (
            upload(ada, content),
            ada.post("/image/upload", files={"file": ("cat.png", content)}),
        ):
            assert answer.status_code == 422, content[:20]
            (error,) = answer.json()["errors"]
            assert error["location"] == ["body", "file"]
    assert list_files(service) == []
    assert ada.get("/image?status=pending").json() == ada.get("/image").json() == []
    assert upload(ada, PNG).status_code == 201


@pytest.mark.case("C969")
def test_a_file_over_the_limit_is_refused(start_service: Callable[..., RunningService]) -> None:
    service = start_service(max_upload_size=len(JPEG) + 1000)
    ada = service.sign_in()
    large = JPEG + bytes(1001)
    for answer in (
        upload(ada, large),
        ada.post("/image/upload", content=iter([JPEG, bytes(1001)]), headers=PNG_TYPE),
        ada.post("/image/upload", files={"file": ("cat.png", large)}),
        ada.post("/image/upload", files={"file": ("cat.png", bytes(10_000_000))}),
        ada.post("/image/upload", files={"file": ("x", PNG)}, data={"prompt": "x" * 300_000}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert list_files(service) == []
    assert upload(ada, JPEG + bytes(1000)).status_code == 201


@pytest.mark.case("C970")
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "image/gif"},
        {"Content-Type": "application/json"},
        {"Content-Type": ""},
        {**PNG_TYPE, "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type_is_refused(service: RunningService, headers: dict[str, str]) -> None:
    answer = service.sign_in().post("/image/upload", content=PNG, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "multipart/form-data" in answer.headers["Accept"]


FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + PNG + b"\r\n"
END = b"--b--\r\n"


@pytest.mark.case("C971")
@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (b"", "b"),
        (b"junk", "b"),
        (FILE, "b"),
        (FILE[:-30], "b"),
        (FILE + END, ""),
        (FILE + END, "c"),
        (FILE + END, "b" * 300),
        (FILE.replace(b"form-data", b"attachment") + END, "b"),
        (FILE.replace(b"file", b"\xff") + END, "b"),
        (FILE.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 1) + END, "b"),
    ],
    ids=range(10),
)
def test_a_malformed_form_is_refused(service: RunningService, body: bytes, boundary: str) -> None:
    kind = f"multipart/form-data; boundary={boundary}" if boundary else "multipart/form-data"
    answer = service.sign_in().post("/image/upload", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.case("C971")
def test_a_form_with_other_parts_is_refused(service: RunningService) -> None:
    ada = service.sign_in()
    for _ in range(9):
        ada.post("/image/upload", files={"file": ("cat.png", b"junk")})
    before = count_descriptors()
    png = ("cat.png", PNG)

    def post(path: str = "", **parts: object) -> list[str]:
        answer = ada.post(f"/image/upload{path}", **parts)  # type: ignore[arg-type]
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        location: list[str] = error["location"]
        return location

    assert post(files={"file": png, "mask": png}) == ["body", "mask"]
    assert post(files=[("file", png), ("file", png)]) == ["body", "file"]
    assert post(files={"file": png}, data={"prompt": ["a", "b"]}) == ["body", "prompt"]
    assert post(files={"file": png}, data={"prompt": ""}) == ["body", "prompt"]
    assert post(files={"prompt": png}) == ["body", "prompt"]
    assert post(files={"file": (None, "a")}) == ["body", "file"]
    assert post(files={"prompt": (None, "a")}) == ["body", "file"]
    assert post("?prompt=a", files={"file": png}, data={"prompt": "b"}) == ["body", "prompt"]
    assert post("?caption=a", files={"file": png}) == ["query", "caption"]
    assert post("?prompt=a&prompt=b", files={"file": png}) == ["query", "prompt"]
    assert post("?prompt=%00", files={"file": png}) == ["query", "prompt"]
    assert ada.get("/image").json() == []
    assert count_descriptors() <= before


@pytest.mark.case("C972")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", 401),
        (b"Origin: https://evil.example\r\n", 403),
        (b"Origin: null\r\n", 403),
        (b"Sec-Fetch-Site: cross-site\r\n", 403),
    ],
)
@pytest.mark.parametrize("kind", [b"multipart/form-data; boundary=b", b"image/png"])
def test_a_form_of_another_site_is_refused_before_its_body_is_read(
    service: RunningService, headers: bytes, status: int, kind: bytes
) -> None:
    user = service.add_user()
    if status == 403:
        # as a browser attaches the password that its user has typed
        headers += basic(user, PASSWORD)
    host = urlsplit(service.url).netloc.encode()
    # none of the body is sent: the answer comes without it
    answer = exchange(
        service.url,
        b"POST /image/upload HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: " + kind + b"\r\n"
        b"Content-Length: 100000\r\nConnection: close\r\n" + headers + b"\r\n",
    )
    assert answer.status == status
    assert list_files(service) == [] or service.client(user).get("/image").json() == []


@contextlib.contextmanager
def dripping(service: RunningService, user: str, sent: bytes = b"") -> Iterator[socket.socket]:
    """Begin an upload, which is being received when the block begins, and leave it unfinished."""
    address = urlsplit(service.url)
    with socket.create_connection((str(address.hostname), address.port)) as connection:
        connection.sendall(
            b"POST /image/upload HTTP/1.1\r\nHost: " + address.netloc.encode() + b"\r\n"
            b"Content-Type: image/png\r\nContent-Length: 1000000\r\n"
            b"Expect: 100-continue\r\n" + basic(user, PASSWORD) + b"\r\n"
        )
        # RFC 9110, section 10.1.1: sent when the application asks for the body
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(sent)
        yield connection


@pytest.mark.case("C973")
def test_a_body_that_drips_is_refused_and_holds_up_nobody(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(body_grace=1.0)
    ada, ben = service.add_user(), service.sign_in()
    with dripping(service, ada) as connection:
        connection.settimeout(10)
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not ended.wait(0.01):
                    connection.send(b"\0")

        thread = threading.Thread(target=drip)
        thread.start()
        assert upload(ben, PNG).status_code == 201
        received = connection.recv(65536)
        ended.set()
        thread.join()
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in received
    assert len(list_files(service)) == 1


def test_a_slow_but_steady_body_is_served(start_service: Callable[..., RunningService]) -> None:
    service = start_service(body_grace=0.2)
    noise = save(draw(), "JPEG", comment=os.urandom(40_000).replace(b"\xff", b""))

    def send() -> Iterator[bytes]:
        for start in range(0, len(noise), 10_000):
            time.sleep(0.15)
            yield noise[start : start + 10_000]

    answer = service.sign_in().post("/image/upload", content=send(), headers=PNG_TYPE)
    assert answer.status_code == 201, answer.text


def wait_for_places(service: RunningService, client: httpx2.Client, status: int) -> None:
    """Return when an upload is answered so."""
    deadline = time.monotonic() + 10
    while (answer := upload(client, PNG)).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)


@pytest.mark.case("C974")
def test_one_user_gets_half_of_the_places(start_service: Callable[..., RunningService]) -> None:
    service = start_service(max_uploads=4)
    names = [service.add_user() for _ in range(3)]
    ada, ben, cleo = map(service.client, names)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(dripping(service, names[0]))
        assert upload(ada, PNG).status_code == 503
        assert upload(ben, PNG).status_code == 201
        for _ in range(2):
            stack.enter_context(dripping(service, names[1]))
        assert upload(ben, PNG).status_code == 503
        refused = upload(cleo, PNG)
        assert (refused.status_code, refused.json()["code"]) == (503, "uploads_busy")
        assert refused.headers["Retry-After"] == "2"
        assert cleo.get("/image").status_code == 200
    wait_for_places(service, cleo, 201)
    assert upload(ada, PNG).status_code == 201


@pytest.mark.case("C975")
def test_nothing_is_left_of_a_client_that_leaves(fresh: RunningService) -> None:
    ada = fresh.add_user()
    fresh.client(ada).get("/image")
    before = count_descriptors()
    for sent in (b"", PNG, b"\0" * 999_999):
        with dripping(fresh, ada, sent):
            time.sleep(0.1)
    deadline = time.monotonic() + 10
    while count_descriptors() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert count_descriptors() <= before
    assert list_files(fresh) == []
    assert sum("the client is gone" in line for line in fresh.log_lines()) == 3
    assert not any(re.search(" (ERROR|CRITICAL) ", line) for line in fresh.log_lines())
