"""The lock of migrations: one holder at a time, until it releases it or its lease ends."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine, text

from pixy_core import DatabaseBusyError
from pixy_data.database.engine import build_engine, parse_url
from pixy_data.database.migration_lock import MigrationLock

if TYPE_CHECKING:
    from mysql_server import MySQLServer

Lock = Callable[..., MigrationLock]


@pytest.fixture
def engine(mysql_server: "MySQLServer", database_url: str) -> Iterator[Engine]:
    engine = build_engine(parse_url(database_url), connect_timeout=3, read_timeout=10)
    yield engine
    engine.dispose()


@pytest.fixture
def lock(engine: Engine) -> Lock:
    """Return a function that makes a lock for which nobody waits."""

    def make(lease: float = 60, patience: float = 0) -> MigrationLock:
        return MigrationLock(engine, lease=lease, patience=patience)

    return make


def run(engine: Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(statement))
        connection.commit()


def read_end(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.execute(text("SELECT expires_at FROM migration_lock")).scalar()


def test_one_process_at_a_time_has_the_lock(lock: Lock) -> None:
    with lock(), pytest.raises(DatabaseBusyError, match="too long"), lock():
        pass
    with lock():
        pass


def test_it_is_released_after_a_failure_too(lock: Lock) -> None:
    with contextlib.suppress(KeyError), lock():
        raise KeyError
    with lock():
        pass


def test_a_process_that_waits_gets_it_when_it_is_released(lock: Lock) -> None:
    entered = threading.Event()

    def wait() -> None:
        with lock(patience=60):
            entered.set()

    waiting = threading.Thread(target=wait)
    with lock():
        waiting.start()
        assert not entered.wait(1)
    assert entered.wait(60)
    waiting.join()


def test_the_lock_of_a_dead_process_is_free_when_its_lease_ends(lock: Lock, engine: Engine) -> None:
    with lock():
        pass
    run(engine, "UPDATE migration_lock SET holder = 'dead', expires_at = '2020-01-01'")
    with lock():
        pass


def test_a_living_process_extends_its_lease(lock: Lock, engine: Engine) -> None:
    with lock(lease=4):
        before = read_end(engine)
        while read_end(engine) == before:
            time.sleep(0.1)


def test_an_ended_lease_that_nobody_took_is_still_its_own(lock: Lock, engine: Engine) -> None:
    with lock() as held:
        run(engine, "UPDATE migration_lock SET expires_at = '2020-01-01'")
        held.check()
        with pytest.raises(DatabaseBusyError):
            lock().__enter__()


def test_a_process_whose_lock_was_taken_over_stops(lock: Lock, engine: Engine) -> None:
    with lock() as held:
        held.check()
        run(engine, "UPDATE migration_lock SET expires_at = '2020-01-01'")
        with lock():
            with pytest.raises(DatabaseBusyError, match="took over"):
                held.check()
            held.__exit__(None, None, None)
            # the other one still has it
            with pytest.raises(DatabaseBusyError, match="too long"):
                lock().__enter__()


def test_many_take_it_one_after_the_other(lock: Lock) -> None:
    inside: list[int] = []
    most: list[int] = []

    def take(number: int) -> None:
        with lock(patience=60):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
