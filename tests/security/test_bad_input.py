"""Bad input over raw sockets, to both parsers.

Each row is one request and the allowed statuses of its answer. The assertions for all rows
follow the rows.
"""

import base64
import gzip
import json
import re
import time
from typing import NamedTuple

import pytest

from door import OWNER, SECRET, Door, authorization_of
from installed_pixy import PASSWORD
from raw_http import Answer, basic

MEMORY = 64 * 2**20
"""Bytes by which a server may grow during all rows: two hashes take 19 MiB each."""


class Row(NamedTuple):
    """A request and the allowed statuses of its answer."""

    name: str
    request: bytes
    statuses: tuple[int, ...]


def ask(first_line: str | bytes, *fields: bytes, host: bytes = b"pixy.example") -> bytes:
    line = first_line.encode() if isinstance(first_line, str) else first_line
    host_field = b"Host: " + host + b"\r\n" if host else b""
    end = b"Connection: close\r\n\r\n"
    return line + b" HTTP/1.1\r\n" + host_field + b"".join(fields) + end


def post(body: bytes, media_type: str | None = "application/json", *fields: bytes) -> bytes:
    typed = b"" if media_type is None else f"Content-Type: {media_type}\r\n".encode()
    length = f"Content-Length: {len(body)}\r\n".encode()
    return ask("POST /image", authorization_of("owner"), typed, length, *fields) + body


def post_chunked(body: bytes, size: int) -> bytes:
    head = ask(
        "POST /image",
        authorization_of("owner"),
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
    )
    chunks = (body[i : i + size] for i in range(0, len(body), size))
    return head + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


def sign_in(value: bytes) -> bytes:
    return ask("GET /image?limit=1", b"Authorization: " + value + b"\r\n")


def token(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return b"Basic " + base64.b64encode(raw)


LONG = b'{"prompt": "' + b"s3cret" * 60_000 + b'"}'
JSON_422 = {
    "a lone surrogate": rb'{"prompt": "s3cret \ud800"}',
    "a lone surrogate in a key": rb'{"prompt": "s3cret", "\udfff": 1}',
    "NaN": b'{"prompt": NaN}',
    "Infinity": b'{"prompt": "x", "visibility": -Infinity}',
    "1e999": b'{"prompt": "x", "s3cret": [1e999]}',
    "null": b"null",
    "an array": b'["s3cret"]',
    "a string": b'"s3cret"',
    "no prompt": b"{}",
    "a prompt that is null": b'{"prompt": null}',
    "a prompt that is a number": b'{"prompt": 5}',
    "a prompt that is a list": b'{"prompt": ["s3cret"]}',
    "an unknown field": b'{"prompt": "s3cret", "seed": "s3cret"}',
    "a thousand unknown fields": json.dumps({f"seed{n}": "s3cret" for n in range(1000)}).encode(),
    "a loosely typed value": b'{"prompt": "x", "visibility": true}',
    "another visibility": b'{"prompt": "x", "visibility": "s3cret"}',
    "an empty prompt": b'{"prompt": ""}',
    "white space": '{"prompt": " \\t\\n\u00a0\u3000"}'.encode(),
    "zero-width characters": '{"prompt": "\u200b\u200d\ufeff"}'.encode(),
    "NUL": rb'{"prompt": "s3cret \u0000"}',
    "a control character": rb'{"prompt": "s3cret \u0007"}',
    "a C1 control character": '{"prompt": "s3cret \u0085"}'.encode(),
    "32,001 characters": json.dumps({"prompt": "x" * 32_001}).encode(),
}
JSON_400 = {
    "invalid UTF-8": b'{"prompt": "s3cret \xff"}',
    "an overlong slash": b'{"prompt": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"prompt": "\xed\xa0\x80"}',
    "UTF-16": '{"prompt": "s3cret"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"prompt": "s3cret"}',
    "truncated": b'{"prompt": "s3cret',
    "100,000 brackets": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 40_000,
    "a key twice": b'{"prompt": "x", "prompt": "s3cret"}',
    "a key twice, deep inside": b'{"prompt": {"a": 1, "a": 2}}',
    "an integer of 10,000 digits": b'{"prompt": ' + b"9" * 10_000 + b"}",
    "two values": b'{"prompt": "x"} {"prompt": "s3cret"}',
    "a comment": b'{"prompt": "x" /* s3cret */}',
}
TYPES_415 = {
    "binary": (b"\x89PNG s3cret", "application/octet-stream"),
    "a form": (b"prompt=s3cret", "application/x-www-form-urlencoded"),
    "multipart": (b"--b\r\n\r\ns3cret\r\n--b--", "multipart/form-data; boundary=b"),
    "plain text": (b'{"prompt": "s3cret"}', "text/plain"),
    "another charset": (b'{"prompt": "s3cret"}', "application/json; charset=latin-1"),
    "no content type": (b'{"prompt": "s3cret"}', None),
    "JSON of another name": (b'{"prompt": "s3cret"}', "application/problem+json"),
}
GUIDS = [
    *("1", "0", "-1", "{0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11}", "0f8f1a524c0b4c7e9a530a4a3f1d2b11"),
    *("urn:uuid:0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11", "0F8F1A52-4C0B-4C7E-9A53-0A4A3F1D2B11"),
    *("..", "../image", "..%2f..%2fetc%2fpasswd", "%2e%2e%2fpixy.db", "%00", "%0a", "%ff"),
    *("0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b1%31", "a" * 5000, "%s%s%n", "'%20OR%201=1--", "%25"),
    "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11%20",
]
QUERIES = [
    *("limit=0", "limit=-1", "limit=201", "limit=abc", "limit=1e3", "limit=1&limit=2", "limit="),
    *("limit=1.0", "limit=+1", "limit=%201", "limit=1_0", "limit=%D9%A1", "limit=" + "9" * 5000),
    *("limit=1&cursor=s3cret", "limit=1&cursor=", "limit=1&cursor=" + "A" * 75),
    *("limit=1&cursor=a&cursor=b", "cursor=%00", "cursor=" + "A" * 5000),
    *("owner=s3cret", "Q=s3cret", "limit=1&sort=s3cret", "%00=s3cret", "=s3cret", "%ff=s3cret"),
    *("x" * 5000, "&".join(f"x{n}=s3cret" for n in range(1000)), "limit[]=s3cret"),
]
SIGN_INS = {
    "no colon": token("s3cret"),
    "nothing": b"",
    "no token": b"Basic",
    "an empty token": b"Basic ",
    "bad base64": b"Basic s3cret!",
    "base64 with a line end inside": b"Basic czNj\tcmV0",
    "base64 that ends too early": b"Basic YTpi=",
    "Bearer": b"Bearer s3cret",
    "Digest": b'Digest username="s3cret"',
    "NUL": token(f"{OWNER}:{PASSWORD}\0"),
    "a line end": token(f"{OWNER}\n:{PASSWORD}"),
    "ANSI escapes": token(f"\x1b[31m{OWNER}:{PASSWORD}"),
    "invalid UTF-8": token(b"s3cret\xff:x"),
    "no user": token(f":{PASSWORD}"),
    "no password": token(f"{OWNER}:"),
    "a name of 65 characters": token("u" * 65 + ":s3cret"),
    "a password of 1,025 bytes": token(f"{OWNER}:" + "p" * 1025),
    "a password of 10,000 bytes": token(f"{OWNER}:" + "p" * 10_000),
    "another case": token(f"{OWNER.upper()}:{PASSWORD}"),
    "an accent": token(f"àda:{PASSWORD}"),
    "a space at the end": token(f"{OWNER} :{PASSWORD}"),
}
IMAGE = "/image/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
NOT_HTTP = {
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00s3cret",
    "a line without an end": b"s3cret" * 100_000,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a space before the colon": ask("GET /image", b"X-A : s3cret\r\n"),
    "NUL in a header": ask("GET /image", b"X-A: s3cret\0\r\n"),
    "a bare CR in a header": ask("GET /image", b"X-A: s3cret\rX-B: b\r\n"),
    "two lengths": ask("POST /image", b"Content-Length: 1\r\nContent-Length: 2\r\n"),
    "a length that is no number": ask("POST /image", b"Content-Length: s3cret\r\n"),
    "a length below zero": ask("POST /image", b"Content-Length: -1\r\n"),
    "bytes beyond ASCII in the path": ask(b"GET /image/s3cret\xff"),
}

ROWS = [
    *(Row(f"JSON: {name}", post(body), (422,)) for name, body in JSON_422.items()),
    Row("JSON: an empty body", post(b""), (422,)),
    *(Row(f"JSON: {name}", post(body), (400,)) for name, body in JSON_400.items()),
    *(Row(f"type: {name}", post(*typed), (415,)) for name, typed in TYPES_415.items()),
    Row(
        "type: gzip",
        post(gzip.compress(b'{"prompt": "x"}'), "application/json", b"Content-Encoding: gzip\r\n"),
        (415,),
    ),
    Row("body: too long, declared", post(LONG), (413,)),
    Row("body: too long, in chunks", post_chunked(LONG, 4096), (413,)),
    # uvicorn closes a connection if it does not want to read the rest of the body
    Row("body: too long, in small chunks", post_chunked(LONG, 16), (413, 0)),
    Row(
        "body: ten gigabytes, declared",
        post(b"{}").replace(b"Content-Length: 2", b"Content-Length: 10000000000"),
        (413,),
    ),
    Row("body: longer than declared", post(b'{"prompt": ""}') + b"s3cret" * 1000, (422,)),
    *(
        Row(f"guid: {guid[:40]} {ending}", ask(f"GET /image/{guid}{ending}"), (404, 422))
        for guid in GUIDS
        for ending in ("", "/content")
    ),
    *(Row(f"query: {q[:40]}", ask(f"GET /image?{q}"), (422,)) for q in QUERIES),
    *(Row(f"sign-in: {name}", sign_in(value), (401,)) for name, value in SIGN_INS.items()),
    Row("sign-in: two headers", ask("GET /image", *[basic(OWNER, PASSWORD)] * 2), (400,)),
    Row("method: PUT", ask("PUT /image"), (405,)),
    Row("method: TRACE", ask("TRACE /image", b"X-A: s3cret\r\n"), (405,)),
    Row("method: unknown", ask("S3CRET /image"), (400, 405)),
    Row("method: in lower case", ask("get /image"), (400, 405)),
    Row("host: unknown", ask("GET /image", host=b"s3cret.example"), (400,)),
    Row("host: malformed", ask("GET /image", host=b"pixy.example/s3cret"), (400,)),
    Row("path: a file beside the content", ask(f"GET {IMAGE}/content/x.css"), (404,)),
    Row("path: another ending", ask(f"GET {IMAGE}/content;.png"), (404,)),
    Row("path: a query", ask(f"GET {IMAGE}/content?x=1"), (404,)),
    # httptools takes it for HTTP/0.9
    Row("log: a line end in the first line", ask(b"GET /nowhere\r\nX: "), (400, 404)),
    Row("log: a line end in the path", ask("GET /image/%0aINFO%20s3cret"), (404, 422)),
    Row("log: CRLF and ANSI in the path", ask("GET /%0d%0a%1b[31m"), (404,)),
    Row("log: a line end in the name", sign_in(token(b"s3cret\r\nINFO x:y")), (401,)),
    Row("log: ANSI in a header", ask("GET /nowhere", b"User-Agent: \xc2\x9b31m\r\n"), (404,)),
    Row("head: too large", ask("GET /image", b"X-A: " + b"s3cret" * 3000 + b"\r\n"), (431,)),
    Row("head: far too large", ask("GET /image", b"X-A: " + b"s" * 10**6), (431,)),
    Row("head: too many fields", ask("GET /image", b"X: s3cret\r\n" * 3000), (431,)),
    *(Row(f"not HTTP: {name}", raw, (400, 431)) for name, raw in NOT_HTTP.items()),
]


@pytest.fixture(scope="module")
def quiet_door(either_door: Door) -> Door:
    """The service, for tests that read the log up to its end."""
    read_log(either_door, 0)
    return either_door


def size_of_log(door: Door) -> int:
    return len(door.pixy.log.encode())


def read_log(door: Door, offset: int) -> list[str]:
    """Wait for the lines of all requests so far, and return those from an offset on."""
    # the lines of an earlier request begin before those of a later one
    marker = door.exchange(ask("GET /nowhere")).header("x-request-id")
    assert marker
    deadline = time.monotonic() + 30
    while True:
        lines = door.pixy.log_from(offset).splitlines()
        starts, ends = count_requests(lines)
        if starts == ends and sum(marker in line for line in lines) == 2:
            return [line for line in lines if marker not in line]
        assert time.monotonic() < deadline, lines
        time.sleep(0.01)


def count_requests(lines: list[str]) -> tuple[int, int]:
    """Return how many requests began and ended."""
    starts = sum("] REQUEST START " in line for line in lines)
    return starts, sum("] REQUEST END " in line for line in lines)


def assert_is_problem(answer: Answer) -> None:
    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("cache-control") == "private, no-store"
    assert answer.header("x-content-type-options") == "nosniff"
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["request_id"] == answer.header("x-request-id")


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{number} {row.name}" for number, row in enumerate(ROWS)]
)
def test_bad_input_is_reported_and_not_repeated(quiet_door: Door, row: Row) -> None:
    before = size_of_log(quiet_door)
    answer = quiet_door.exchange(row.request)
    assert answer.status in row.statuses
    assert b"s3cret" not in (answer.head + answer.body).lower()
    if answer.status:
        assert_is_problem(answer)
    lines = read_log(quiet_door, before)
    starts, _ = count_requests(lines)
    # h11 refuses more than httptools before a request starts
    assert starts == 1 or (starts == 0 and lines and answer.status in (400, 431))
    assert len(lines) <= 4
    assert PASSWORD not in "".join(lines)
    assert quiet_door.memory() - quiet_door.size_at_start < MEMORY


def test_a_405_lists_the_allowed_methods(either_door: Door) -> None:
    for method in ("PUT", "TRACE", "PROPFIND"):
        assert either_door.exchange(ask(f"{method} /image")).header("allow") == "GET, HEAD, POST"


@pytest.mark.parametrize("lines", [b"", b"Host: pixy.example\r\nHost: pixy.example\r\n"])
def test_a_host_that_is_missing_or_doubled_is_400(either_door: Door, lines: bytes) -> None:
    answer = either_door.exchange(b"GET /image HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
    assert answer.status == 400
    assert_is_problem(answer)


STORED = [
    "emoji 🦩 and 漢",
    "line\r\nline\nand\ttab",
    "right to left \u202e override",
    "\x1b[31mANSI\x1b[0m",
    "'; DROP TABLE images; -- \" \\",
    "%s %n {0} ${x} <script>alert(1)</script>",
    "\u2028 and \u2029",
]


@pytest.mark.parametrize("prompt", STORED)
def test_an_odd_prompt_is_stored_as_it_is(either_door: Door, prompt: str) -> None:
    read_log(either_door, 0)
    before = size_of_log(either_door)
    answer = either_door.exchange(post(json.dumps({"prompt": prompt}).encode()))
    assert answer.status == 201
    path = answer.header("location")
    read = either_door.exchange(ask(f"GET {path}", authorization_of("owner")))
    assert json.loads(read.body)["prompt"] == prompt
    lines = read_log(either_door, before)
    assert (count_requests(lines), len(lines)) == ((2, 2), 4)


RANGES = [
    (b"bytes=0-9", 206),
    (b"bytes=-10", 206),
    (b"bytes=5-", 206),
    (b"bytes=999999999-", 416),
    (b"bytes=9-5", 200),
    (b"lines=1-2", 200),
    (b"bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(1000)), 200),
    (b"bytes=" + b"9" * 5000 + b"-", 200),
    (b"bytes=\xd9\xa1-\xd9\xa2", 200),
]


@pytest.mark.parametrize(("value", "status"), RANGES, ids=range(len(RANGES)))
def test_an_unusual_range_is_answered_as_rfc_9110_says(
    either_door: Door, value: bytes, status: int
) -> None:
    path = f"/image/{either_door.images['public']['guid']}/content"
    answer = either_door.exchange(ask(f"GET {path}", b"Range: " + value + b"\r\n"))
    assert answer.status == status


CONDITIONS = [
    (b"If-None-Match: *", 304),
    (b'If-None-Match: "x", W/"ETAG"', 304),
    (b'If-None-Match: "x"', 200),
    (b"If-None-Match: " + b'"' * 5000, 200),
    (b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", 304),
    (b"If-Modified-Since: Fri, 01 Jan 2010 00:00:00 GMT", 200),
    (b"If-Modified-Since: s3cret", 200),
    (b"If-Modified-Since: Fri, 01 Jan 99999999999 00:00:00 GMT", 200),
]


@pytest.mark.parametrize(("line", "status"), CONDITIONS, ids=range(len(CONDITIONS)))
def test_an_unusual_condition_is_answered_as_rfc_9110_says(
    either_door: Door, line: bytes, status: int
) -> None:
    image = either_door.images["public"]
    line = line.replace(b"ETAG", image["sha256"].encode())
    answer = either_door.exchange(ask(f"GET /image/{image['guid']}/content", line + b"\r\n"))
    assert answer.status == status


def test_a_client_can_t_set_its_request_id_or_address(either_door: Door) -> None:
    forged = b"X-Request-ID: f0rged\r\nX-Forwarded-For: f0rged\r\nForwarded: for=f0rged\r\n"
    answer = either_door.exchange(ask("GET /health/live", forged))
    assert re.fullmatch(
        r"[A-Za-z0-9.-]+-\d{8}T\d{6}\.\d{6}Z-\d+", answer.header("x-request-id") or ""
    )
    assert "f0rged" not in either_door.pixy.log
    assert SECRET not in either_door.pixy.log


def test_a_cookie_or_a_user_in_the_target_signs_nobody_in(either_door: Door) -> None:
    private = f"/image/{either_door.images['private']['guid']}"
    user = f"ada:{PASSWORD.replace(' ', '%20')}"
    for target, status in (
        (private, 404),
        (f"http://pixy.example{private}", 404),
        # RFC 9110, section 4.2.4: a user name in the target is an error
        (f"http://{user}@pixy.example{private}", 400),
    ):
        answer = either_door.exchange(ask(f"GET {target}", b"Cookie: session=ada\r\n"))
        assert answer.status == status
    assert user not in either_door.pixy.log
