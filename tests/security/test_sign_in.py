"""Guesses of passwords, over real connections to several workers."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from door import OWNER, Door, start_door
from installed_pixy import PASSWORD
from raw_http import Answer, basic

FAILURES = 5
WORKERS = 2


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    door = start_door(tmp_path_factory.mktemp("workers"), PIXY_WORKERS=str(WORKERS))
    yield door
    door.pixy.kill()


def guess(door: Door, name: str, password: str, source: str = "127.0.0.1") -> Answer:
    first = b"GET /image?limit=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    return door.exchange(first + basic(name, password) + b"\r\n", source=source)


def guess_at_each_worker(door: Door, name: str, source: str = "127.0.0.1") -> set[int]:
    """Sign in correctly until each worker has answered, and return the statuses."""
    ids, statuses, count = set[str](), set[int](), 0
    while len(ids) < WORKERS:
        assert count < 1000, "one worker answers everything"
        # a new connection, which any worker may accept
        answer = guess(door, name, PASSWORD, source)
        ids.add((answer.header("x-request-id") or "").rpartition("-")[2])
        statuses.add(answer.status)
        count += 1
    return statuses


@pytest.mark.parametrize("name", ["cyd", "a-name-that-nobody-has"])
def test_of_fifty_concurrent_guesses_five_are_checked(workers: Door, name: str) -> None:
    with ThreadPoolExecutor(50) as threads:
        guesses = [threads.submit(guess, workers, name, f"wrong {n}") for n in range(50)]
        answers = [future.result() for future in guesses]
    # a worker with a full queue answers 503
    statuses = Counter(answer.status for answer in answers)
    assert statuses[401] == FAILURES
    assert statuses[401] + statuses[429] + statuses[503] == 50
    assert all(answer.header("retry-after") for answer in answers if answer.status != 401)


def test_every_worker_refuses_a_blocked_user(workers: Door) -> None:
    name = "bob"
    for number in range(FAILURES):
        assert guess(workers, name, f"wrong {number}", "127.0.0.3").status == 401
    assert guess_at_each_worker(workers, name, "127.0.0.3") == {429}
    assert guess(workers, name, PASSWORD, "127.0.0.4").status == 200


def test_a_flood_of_guesses_delays_nobody_else(workers: Door) -> None:
    path = f"/image/{workers.images['public']['guid']}"
    with workers.client("owner") as owner, workers.client() as stranger:
        # each worker remembers the owner's password
        assert guess_at_each_worker(workers, OWNER) == {200}
        with ThreadPoolExecutor(16) as threads:
            flood = [
                threads.submit(guess, workers, f"user{n % 10}", f"wrong {n}", "127.0.0.5")
                for n in range(200)
            ]
            for _ in range(50):
                assert stranger.get(path).status_code == 200
                assert owner.get(path).status_code == 200
        assert {future.result().status for future in flood} <= {401, 429, 503}
