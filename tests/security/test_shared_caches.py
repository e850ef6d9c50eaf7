"""Shared caches in front of the service: they never give private images to other callers."""

import itertools
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from door import SECRET, Door, authorization_of, start_door
from raw_http import Answer, exchange
from reverse_proxies import ReverseProxy, start_cache

METHODS = ("GET", "HEAD")
KINDS = ("nginx", "varnish")
ORIGIN = "https://page.example"
MAX_AGE = 2
"""The max-age, in seconds, in the test of a picture's age."""

PATIENCE = 30
"""Seconds after which a cache has kept a picture too long."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test behind each cache."""
    if "cache" in metafunc.fixturenames:
        metafunc.parametrize("cache", KINDS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, door: Door
) -> Iterator[ReverseProxy]:
    folder = tmp_path_factory.mktemp(request.param)
    running = start_cache(request.param, folder, urlsplit(door.url).port or 0)
    yield running
    running.stop()


def ask(cache: ReverseProxy, method: str, path: str, caller: str, *fields: str) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "Host: pixy.example", *fields, "Connection: close"]
    head = "\r\n".join(lines).encode() + b"\r\n" + authorization_of(caller) + b"\r\n"
    return exchange(cache.url, head)


def conditions_for(image: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (),
        ("Range: bytes=0-99",),
        ("Range: bytes=-100",),
        ("Range: bytes=999999999-",),
        ("Range: bytes=0-9,20-29",),
        (f'If-None-Match: "{image["sha256"]}"',),
        ('If-None-Match: "another"',),
        ("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",),
        ("If-Modified-Since: Fri, 01 Jan 2010 00:00:00 GMT",),
        ("Cache-Control: only-if-cached, max-stale",),
        ("Accept-Encoding: gzip",),
    ]


def paths_of(image: dict[str, Any]) -> list[str]:
    guid = image["guid"]
    pictures = [f"/image/{guid}/content", f"/image/{guid}/content?width=320"]
    return [f"/image/{guid}", *pictures, "/image", "/image?limit=200"]


def test_the_cache_stores_public_content(door: Door, cache: ReverseProxy) -> None:
    path = f"/image/{door.images['public']['guid']}/content"
    first, second = (ask(cache, "GET", path, "stranger") for _ in range(2))
    assert first.body == second.body
    assert (first.status, second.status) == (200, 200)
    assert "HIT" in (second.header("x-cache") or "")


@pytest.mark.parametrize("visibility", ["private", "class"])
def test_nothing_private_stays_in_the_cache(
    door: Door, cache: ReverseProxy, visibility: str
) -> None:
    image = door.images[visibility]
    ways = list(itertools.product(paths_of(image), METHODS, conditions_for(image)))
    with door.client("owner") as owner:
        original = owner.get(f"/image/{image['guid']}/content").content
    for _ in range(2):
        for path, method, fields in ways:
            answer = ask(cache, method, path, "owner", *fields)
            assert answer.status in (200, 206, 304, 416, 504)
            assert "HIT" not in (answer.header("x-cache") or "")
    for caller, (path, method, fields) in itertools.product(("stranger", "other"), ways):
        answer = ask(cache, method, path, caller, *fields)
        # 504 is a cache's answer to only-if-cached
        # 206 and 416 come from Varnish, which makes ranges from answers of status 200
        listed = (200, 206, 416, 504)
        assert answer.status in ((404, 504) if image["guid"] in path else listed)
        assert image["guid"].encode() not in answer.body
        assert SECRET.encode() + f" {visibility}".encode() not in answer.body
        assert image["sha256"] not in (answer.header("etag") or "")
        assert original[100:200] not in answer.body


def test_a_public_picture_sent_to_a_user_is_not_cached(door: Door, cache: ReverseProxy) -> None:
    path = f"/image/{door.make_image('public')['guid']}/content"
    for _ in range(2):
        answer = ask(cache, "GET", path, "owner")
        assert answer.status == 200
        assert "HIT" not in (answer.header("x-cache") or "")


def test_wrong_credentials_are_refused_even_if_the_picture_is_cached(
    door: Door, cache: ReverseProxy
) -> None:
    path = f"/image/{door.images['public']['guid']}/content"
    for _ in range(2):
        assert ask(cache, "GET", path, "stranger").status == 200
    wrong = ask(cache, "GET", path, "stranger", "Authorization: Basic bm9ib2R5Ondyb25n")
    assert wrong.status == 401


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A service whose pictures are cached for a short time, and that allows an origin."""
    folder = tmp_path_factory.mktemp("short")
    door = start_door(folder, PIXY_CORS_ORIGINS=ORIGIN, PIXY_PUBLIC_MAX_AGE=str(MAX_AGE))
    yield door
    door.pixy.kill()


@pytest.fixture(scope="module")
def caches(
    tmp_path_factory: pytest.TempPathFactory, short: Door
) -> Iterator[dict[str, ReverseProxy]]:
    """Each cache in front of that service."""
    running: dict[str, ReverseProxy] = {}
    try:
        for kind in KINDS:
            folder = tmp_path_factory.mktemp(kind)
            running[kind] = start_cache(kind, folder, urlsplit(short.url).port or 0)
        yield running
    finally:
        for cache in running.values():
            cache.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_an_allowed_origin_may_read_a_cached_answer(
    short: Door, caches: dict[str, ReverseProxy], kind: str
) -> None:
    cache, path = caches[kind], f"/image/{short.images['public']['guid']}/content"
    deadline = time.monotonic() + PATIENCE
    # on a busy machine it may be too old when it is asked for again
    while "HIT" not in ((plain := ask(cache, "GET", path, "stranger")).header("x-cache") or ""):
        assert time.monotonic() < deadline, "the cache never stores it"
    assert plain.header("access-control-allow-origin") is None
    for _ in range(2):
        shown = ask(cache, "GET", path, "stranger", f"Origin: {ORIGIN}")
        assert shown.header("access-control-allow-origin") == ORIGIN
        assert shown.body == plain.body
    other = ask(cache, "GET", path, "stranger", "Origin: https://other.example")
    assert other.header("access-control-allow-origin") is None


def test_an_unpublished_picture_leaves_the_cache_after_its_max_age(
    short: Door, caches: dict[str, ReverseProxy]
) -> None:
    path = f"/image/{short.make_image('public')['guid']}"
    for cache in (*caches.values(), *caches.values()):
        assert ask(cache, "GET", f"{path}/content", "stranger").status == 200
    with short.client("owner") as owner:
        assert owner.patch(path, json={"visibility": "private"}).status_code == 200
    direct = f"GET {path}/content HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert exchange(short.url, direct.encode()).status == 404
    for cache in caches.values():
        assert ask(cache, "GET", path, "stranger").status == 404, "details are never kept"
        deadline = time.monotonic() + PATIENCE
        while (kept := ask(cache, "GET", f"{path}/content", "stranger")).status == 200:
            assert kept.header("cache-control") == f"public, max-age={MAX_AGE}"
            assert int(kept.header("age") or 0) <= MAX_AGE
            assert time.monotonic() < deadline, "the cache keeps it for ever"
            time.sleep(0.1)
        assert kept.status == 404
