"""Floods of wrong passwords: row F81."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from installed_pixy import PASSWORD, InstalledPixy

USERS = [f"user{number}" for number in range(30)]
GUESSERS = 80
"""More than can wait for a hashing thread at once."""


@pytest.fixture
def pixy(tmp_path: Path) -> Iterator[InstalledPixy]:
    pixy = InstalledPixy(tmp_path, PIXY_GENERATOR="sketch", PIXY_SIGN_IN_ADDRESS_FAILURES="10000")
    pixy.add_users(**dict.fromkeys(USERS, "class"))
    pixy.start()
    yield pixy
    pixy.kill()


@pytest.mark.slow
@pytest.mark.fault("F81")
def test_a_flood_of_sign_ins_from_one_address_does_not_block_others(pixy: InstalledPixy) -> None:
    numbers, stop, guesses = itertools.count(), threading.Event(), Counter[int]()

    def guess() -> None:
        # the limit of an address would end the flood early; this test is about the queue
        transport = httpx2.HTTPTransport(local_address="127.0.0.9")
        with httpx2.Client(base_url=pixy.url, transport=transport, timeout=30) as client:
            while not stop.is_set():
                auth = (f"made up {next(numbers)}", PASSWORD)
                guesses[client.get("/image?limit=1", auth=auth).status_code] += 1

    def sign_in(name: str) -> int:
        with pixy.client(name) as client:
            return client.get("/image?limit=1").status_code

    with ThreadPoolExecutor(GUESSERS) as guessers, ThreadPoolExecutor(4) as people:
        flood = [guessers.submit(guess) for _ in range(GUESSERS)]
        statuses = list(people.map(sign_in, USERS))
        stop.set()
    for each in flood:
        each.result()
    assert statuses == [200] * len(USERS)
    assert set(guesses) <= {401, 503}


@pytest.mark.slow
@pytest.mark.fault("F81")
def test_an_address_that_floods_the_sign_in_is_told_to_wait(tmp_path: Path) -> None:
    pixy = InstalledPixy(tmp_path, PIXY_GENERATOR="sketch")
    pixy.add_user("ada")
    pixy.start("--workers", "2")
    try:
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(_guess, [pixy.url] * 120, range(120)))
        assert Counter(statuses)[401] == 100
        assert set(statuses) == {401, 429}
        assert _guess(pixy.url, 120) == 429
        with pixy.client("ada") as ada:
            assert ada.get("/image").status_code == 200
    finally:
        pixy.kill()


def _guess(url: str, number: int) -> int:
    transport = httpx2.HTTPTransport(local_address="127.0.0.9")
    with httpx2.Client(base_url=url, transport=transport, timeout=30) as client:
        return client.get("/image?limit=1", auth=(f"made up {number}", PASSWORD)).status_code
