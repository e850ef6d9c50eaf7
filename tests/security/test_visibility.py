"""Access control: every endpoint, for every caller and every visibility."""

import itertools
from typing import Any

import pytest

from door import CALLERS, Door, authorization_of, name_of
from installed_pixy import PASSWORD
from raw_http import Answer, basic

NOBODYS = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
READS = ("GET /image/{}", "HEAD /image/{}", "GET /image/{}/content", "HEAD /image/{}/content")
PREVIEWS = ("GET /image/{}/preview", "HEAD /image/{}/preview")
WRITES = ("PATCH /image/{}", "DELETE /image/{}")
PATCH_BODY = b'{"visibility": "public"}'

#              private, class, public: as each of the callers
EXPECTED = {
    "read": {
        "owner": (200, 200, 200),
        "classmate": (404, 200, 200),
        "other": (404, 404, 200),
        "stranger": (404, 404, 200),
    },
    # the image exists: a redirect to it
    "preview": {
        "owner": (303, 303, 303),
        "classmate": (404, 303, 303),
        "other": (404, 404, 303),
        "stranger": (404, 404, 303),
    },
    "write": {
        # the last test does what the owner may do
        "classmate": (404, 403, 403),
        "other": (404, 404, 403),
        "stranger": (401, 401, 401),
    },
    "listed": {
        "owner": (True, True, True),
        "classmate": (False, True, True),
        "other": (False, False, True),
        "stranger": (False, False, True),
    },
}
VISIBILITIES = ("private", "class", "public")
TABLE = [
    (operation, caller, visibility, EXPECTED[kind][caller][column])
    for kind, operations in (("read", READS), ("preview", PREVIEWS), ("write", WRITES))
    for operation in operations
    for caller in EXPECTED[kind]
    for column, visibility in enumerate(VISIBILITIES)
]


def ask(door: Door, operation: str, caller: str, guid: str, *fields: bytes) -> Answer:
    first_line = operation.format(guid).encode()
    is_patch = operation.startswith("PATCH")
    typed = b"Content-Type: application/json\r\nContent-Length: 24\r\n" if is_patch else b""
    head = first_line + b" HTTP/1.1\r\nHost: a\r\n" + authorization_of(caller) + typed
    end = b"Connection: close\r\n\r\n" + (PATCH_BODY if is_patch else b"")
    return door.exchange(head + b"".join(fields) + end)


@pytest.mark.parametrize(("operation", "caller", "visibility", "status"), TABLE)
def test_each_caller_gets_the_status_of_the_table(
    door: Door, operation: str, caller: str, visibility: str, status: int
) -> None:
    guid = door.images[visibility]["guid"]
    assert ask(door, operation, caller, guid).status == status


@pytest.mark.parametrize(
    ("operation", "caller", "visibility"), [row[:3] for row in TABLE if row[3] in (404, 401)]
)
def test_an_invisible_image_is_answered_like_an_absent_one(
    door: Door, operation: str, caller: str, visibility: str
) -> None:
    guid, etag = door.images[visibility]["guid"], door.images[visibility]["sha256"]
    for field in (
        b"",
        f'If-None-Match: "{etag}"\r\n'.encode(),
        b"If-None-Match: *\r\n",
        b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
        b"Range: bytes=0-0\r\n",
        b"Range: bytes=999999999-\r\n",
    ):
        hidden, absent = (ask(door, operation, caller, g, field) for g in (guid, NOBODYS))
        assert hidden.status in (401, 404)
        assert hidden.without_identity() == absent.without_identity()


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("query", ["", "?limit=200"])
def test_a_list_has_only_visible_images(door: Door, caller: str, query: str) -> None:
    with door.client(caller) as client:
        answer = client.get(f"/image{query}")
    for visibility, is_listed in zip(VISIBILITIES, EXPECTED["listed"][caller], strict=True):
        image = door.images[visibility]
        assert (image["guid"] in answer.text) is is_listed
        assert (image["prompt"] in answer.text) is is_listed
        assert (image["sha256"] in answer.text) is is_listed


def find_numbers(value: Any) -> set[str]:
    """Find the names of all members that hold a number."""
    if isinstance(value, list):
        return set().union(*map(find_numbers, value))
    if isinstance(value, dict):
        own = {k for k, v in value.items() if isinstance(v, int) and not isinstance(v, bool)}
        return own.union(*map(find_numbers, value.values()))
    return set()


@pytest.mark.parametrize("caller", CALLERS)
def test_no_answer_has_a_number_that_could_be_an_integer_id(door: Door, caller: str) -> None:
    with door.client(caller) as client:
        paths = ["/image", "/image?limit=1", *(f"/image/{i['guid']}" for i in door.images.values())]
        for path in paths:
            answer = client.get(path)
            assert find_numbers(answer.json()) <= {"width", "height", "size", "status"}
            assert '"id"' not in answer.text


def test_anonymous_callers_do_not_see_the_owner(door: Door) -> None:
    with door.client() as stranger:
        listed = stranger.get("/image").json()
        assert [image["owner"] for image in listed] == [None]
        assert stranger.get(f"/image/{listed[0]['guid']}").json()["owner"] is None


def test_unknown_wrong_and_disabled_get_the_same_answer(door: Door) -> None:
    door.pixy.add_user("dis")
    door.pixy.run("user", "disable", "dis")
    pairs = [("nobody-of-that-name", PASSWORD), (name_of("other"), "wrong"), ("dis", PASSWORD)]
    first = b"GET /image HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    answers = [door.exchange(first + basic(str(n), word) + b"\r\n") for n, word in pairs]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.without_identity() for answer in answers}) == 1


def test_only_the_owner_changes_and_deletes(door: Door) -> None:
    for visibility, caller in itertools.product(VISIBILITIES, ("classmate", "other", "stranger")):
        guid = door.images[visibility]["guid"]
        for operation in WRITES:
            ask(door, operation, caller, guid)
    with door.client("owner") as owner:
        for visibility in VISIBILITIES:
            path = f"/image/{door.images[visibility]['guid']}"
            assert owner.get(path).json() == door.images[visibility]
            assert owner.patch(path, json={"visibility": "class"}).status_code == 200
            assert owner.delete(path).status_code == 204
            assert owner.get(path).status_code == 404
