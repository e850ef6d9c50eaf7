"""Edits: files in a form, and references in JSON: cases C1000 to C1007."""

import base64
import json
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from provider import Provider
from provider_answers import PNG, make_png
from running_service import RunningService

PATH = "/v1/images/edits"
PROMPT = {"prompt": "the same at night"}
FIRST, SECOND = make_png(64, 48), make_png(32, 32)


def make_mask(width: int, height: int) -> bytes:
    """Return a transparent PNG."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    rows = (b"\0" + b"\0" * 4 * width) * height
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


MASK = make_mask(64, 48)


def upload(client: httpx2.Client, content: bytes) -> str:
    answer = client.post("/image/upload", content=content, headers={"Content-Type": "image/png"})
    assert answer.status_code in (200, 201), answer.text
    guid: str = answer.json()["guid"]
    return guid


def list_uploads(client: httpx2.Client) -> list[dict[str, Any]]:
    return [image for image in client.get("/image").json() if image["generator"] == "upload"]


def sources_of(client: httpx2.Client, answer: httpx2.Response) -> list[tuple[str, bytes]]:
    """Return role and bytes of each source of the one image that an answer has."""
    assert answer.status_code == 200, answer.text
    details = client.get(f"/image/{answer.json()['data'][0]['guid']}").json()
    return [
        (source["role"], client.get(f"/image/{source['guid']}/content").content)
        for source in details["sources"]
    ]


def read_error(answer: httpx2.Response) -> tuple[int, str | None, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


@pytest.mark.case("C1000")
@pytest.mark.parametrize(
    "files",
    [
        [("image", ("a.png", FIRST))],
        [("image[]", ("a.png", FIRST))],
        [("image[]", ("a.png", FIRST)), ("image[]", ("b.png", SECOND))],
        [("mask", ("m.png", MASK)), ("image", ("a.png", FIRST))],
        [("image[]", ("a.png", FIRST)), ("mask", ("m.png", MASK)), ("image[]", ("b.png", SECOND))],
    ],
)
def test_files_of_a_form_become_the_sources(
    client: httpx2.Client, provider: Provider, files: list[tuple[str, tuple[str, bytes]]]
) -> None:
    answer = client.post(PATH, data=PROMPT | {"n": "1", "quality": "hd"}, files=files)
    wanted = [("image", content) for name, (_, content) in files if name != "mask"]
    masks = [("mask", content) for name, (_, content) in files if name == "mask"]
    assert sources_of(client, answer) == wanted + masks
    assert base64.b64decode(answer.json()["data"][0]["b64_json"]) == PNG
    assert provider.paid_requests == 1


@pytest.mark.case("C1001")
def test_the_same_file_is_uploaded_once(client: httpx2.Client) -> None:
    for _ in range(2):
        answer = client.post(PATH, data=PROMPT, files={"image": FIRST})
        assert answer.status_code == 200
    (kept,) = list_uploads(client)
    assert kept["visibility"] == "private"


@pytest.mark.case("C1002")
def test_an_edit_in_chunks_with_its_files_first_is_read(client: httpx2.Client) -> None:
    def part(name: str, content: bytes, more: str = "") -> bytes:
        head = f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
        return head.encode() + content + b"\r\n"

    body = part("image[]", FIRST, '; filename="a.png"') + part("prompt", b"a fox") + b"--b--\r\n"
    answer = client.post(
        PATH,
        content=iter([body[:50], body[50:]]),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert sources_of(client, answer) == [("image", FIRST)]


@pytest.mark.case("C1003")
def test_references_are_guids_data_urls_and_images_of_this_service(
    client: httpx2.Client, provider: Provider
) -> None:
    guid = upload(client, FIRST)
    data_url = f"data:image/png;base64,{base64.b64encode(SECOND).decode()}"
    references = [
        {"file_id": guid},
        {"image_url": f"/image/{guid}/content"},
        {"image_url": str(client.base_url.join(f"/image/{guid}/content"))},
        {"image_url": data_url},
    ]
    mask = {"image_url": f"data:image/png;base64,{base64.b64encode(MASK).decode()}"}
    answer = client.post(PATH, json=PROMPT | {"images": references, "mask": mask})
    expected = [("image", FIRST)] * 3 + [("image", SECOND), ("mask", MASK)]
    assert sources_of(client, answer) == expected
    assert provider.paid_requests == 1


@pytest.mark.case("C1004")
@pytest.mark.parametrize(
    "reference",
    [
        {"image_url": "https://example.org/cat.png"},
        {"image_url": "http://other.example/image/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11/content"},
        {"image_url": "file:///etc/passwd"},
        {"image_url": "data:text/html;base64,AAAA"},
        {"image_url": "data:image/png;base64,%%"},
        {"image_url": 5},
        {"file_id": "a", "image_url": "b"},
        {},
        "a",
        None,
    ],
)
def test_nothing_foreign_is_fetched(
    client: httpx2.Client, provider: Provider, reference: object
) -> None:
    answer = client.post(PATH, json=PROMPT | {"images": [reference]})
    assert read_error(answer) == (400, None, "images")
    assert (provider.paid_requests, provider.other_requests) == (0, 0)


@pytest.mark.case("C1005")
def test_a_source_of_another_user_is_not_found(
    client: httpx2.Client, patient: RunningService, provider: Provider
) -> None:
    guid = upload(patient.key_client(), FIRST)
    for reference in ({"file_id": guid}, {"image_url": f"/image/{guid}/content"}):
        answer = client.post(PATH, json=PROMPT | {"images": [reference]})
        assert read_error(answer) == (404, "record_not_found", None)
    assert provider.paid_requests == 0


@pytest.mark.case("C1006")
@pytest.mark.parametrize(
    ("files", "members", "error"),
    [
        ([("image", b"no image")], {}, (400, None, "image")),
        ([("image", FIRST), ("mask", SECOND)], {}, (400, None, "mask")),
        ([("image", FIRST)], {"size": "16x16"}, (400, None, "size")),
        ([("image", FIRST)], {"steps": "5"}, (400, "unknown_parameter", "steps")),
        ([("image", FIRST)], {"model": "gpt-5"}, (404, "model_not_found", "model")),
        ([("mask", MASK)], {}, (400, None, "image")),
        ([("image[]", FIRST)] * 17, {}, (400, None, "image")),
        ([("image", FIRST), ("mask", MASK), ("mask", MASK)], {}, (400, None, "mask")),
    ],
)
def test_a_refused_edit_leaves_nothing_behind(
    client: httpx2.Client,
    provider: Provider,
    *,
    files: list[tuple[str, bytes]],
    members: dict[str, str],
    error: tuple[int, str | None, str | None],
) -> None:
    parts = [(name, (f"{name}.png", content)) for name, content in files]
    answer = client.post(PATH, data=PROMPT | members, files=parts)
    assert read_error(answer) == error
    assert client.get("/image").json() == []
    assert provider.paid_requests == 0


@pytest.mark.case("C1006")
def test_an_edit_that_no_slot_is_free_for_keeps_its_upload(
    client: httpx2.Client, provider: Provider
) -> None:
    with provider.holding():
        body = {"prompt": "a lighthouse", "stream": True}
        path = "/v1/images/generations"
        with client.stream("POST", path, json=body), client.stream("POST", path, json=body):
            provider.wait_for_requests(2)
            answer = client.post(PATH, data=PROMPT, files={"image": FIRST})
            assert read_error(answer) == (503, "generation_busy", None)
            # the caller may have been told by now that the same bytes are kept
            assert len(list_uploads(client)) == 1
        provider.release()


@pytest.mark.case("C1006")
def test_an_upload_that_was_there_before_stays(client: httpx2.Client) -> None:
    guid = upload(client, FIRST)
    files = [("image", ("a.png", FIRST)), ("mask", ("b.png", SECOND))]
    assert client.post(PATH, data=PROMPT, files=files).status_code == 400
    assert [image["guid"] for image in list_uploads(client)] == [guid]


@pytest.mark.case("C1006")
def test_other_bodies_are_refused(client: httpx2.Client) -> None:
    answer = client.post(PATH, content=PNG, headers={"Content-Type": "image/png"})
    assert read_error(answer) == (415, "unsupported_media_type", None)
    answer = client.post(PATH, content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert read_error(answer) == (400, "bad_request", None)


@pytest.mark.case("C1006")
def test_a_file_that_is_too_large_is_refused(
    start_service: Callable[..., RunningService],
) -> None:
    client = start_service(max_upload_size=1024).key_client()
    answer = client.post(PATH, data=PROMPT, files={"image": b"a" * 5000})
    assert read_error(answer) == (413, "body_too_large", None)


@pytest.mark.case("C1006")
def test_a_form_of_another_site_is_refused_without_a_key(patient: RunningService) -> None:
    client = patient.client()
    origin = {"Origin": "https://other.example"}
    answer = client.post(PATH, data=PROMPT, files={"image": FIRST}, headers=origin)
    assert read_error(answer)[:2] == (403, "cross_site_request")
    answer = client.post(PATH, data=PROMPT, files={"image": FIRST})
    assert read_error(answer)[:2] == (401, "invalid_api_key")


@pytest.mark.case("C1007")
def test_edits_stream_events_of_their_own(client: httpx2.Client) -> None:
    with client.stream(
        "POST", PATH, data=PROMPT | {"stream": "true"}, files={"image": FIRST}
    ) as answer:
        lines = list(answer.iter_lines())
    assert "event: image_edit.completed" in lines


@pytest.mark.case("C1007")
def test_a_retry_of_an_edit_buys_nothing(client: httpx2.Client, provider: Provider) -> None:
    body = PROMPT | {"stream": "true", "partial_images": "1"}
    with (
        provider.unfinished(1),
        client.stream("POST", PATH, data=body, files={"image": FIRST}) as answer,
    ):
        assert "event: image_edit.partial_image" in next(answer.iter_lines())
    path = answer.headers["location"]
    retry = {"x-stainless-retry-count": "1"}
    again = client.post(
        PATH, data=body | {"stream": "false"}, files={"image": FIRST}, headers=retry
    )
    assert again.headers["location"] == path
    assert provider.paid_requests == 1


def test_a_data_url_that_is_not_ascii_is_refused(client: httpx2.Client) -> None:
    for letter in ("\u00e9", "\ud800"):
        content = json.dumps(
            PROMPT | {"images": [{"image_url": f"data:image/png;base64,{letter}"}]}
        )
        answer = client.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert read_error(answer) == (400, None, "images")


def test_a_long_body_with_many_members_is_refused(client: httpx2.Client) -> None:
    answer = client.post(PATH, json=PROMPT | {"images": [{}] * 200_000})
    assert answer.status_code == 400
    assert "so many" in answer.json()["error"]["message"]


def test_a_json_body_that_does_not_come_is_given_up(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(body_grace=0.3)
    key = service.key_client().headers["Authorization"]
    address = urlsplit(service.url)
    with socket.create_connection((str(address.hostname), address.port), 10) as connection:
        connection.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 16000000\r\n\r\n{".encode()
        )
        assert connection.recv(12) == b"HTTP/1.1 408"
