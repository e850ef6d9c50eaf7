"""The connection pool on SQLite: which connection is next, and which are closed."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, event

from pixy_core import DatabaseBusyError, DBConnectionError
from pixy_data.database.pool import ConnectionPool


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(
        f"sqlite:///{tmp_path / 'pool.db'}",
        poolclass=NullPool,
        connect_args={"check_same_thread": False},
    )
    yield engine
    engine.dispose()


@pytest.fixture
def closed(engine: Engine) -> list[object]:
    """The driver connections that have been closed."""
    connections: list[object] = []
    event.listen(engine, "close", lambda connection, _record: connections.append(connection))
    return connections


def test_the_connection_used_last_is_used_next(engine: Engine) -> None:
    pool = ConnectionPool(engine, size=3, timeout=1)
    first, second = pool.acquire(), pool.acquire()
    assert first.driver is not second.driver
    pool.release(second)
    pool.release(first)
    assert pool.acquire() is first
    assert pool.acquire() is second
    pool.close()


def test_no_more_connections_are_open_than_the_pool_has_places(engine: Engine) -> None:
    pool = ConnectionPool(engine, size=2, timeout=0.05)
    pool.acquire()
    held = pool.acquire()
    with pytest.raises(DatabaseBusyError):
        pool.acquire()
    pool.discard(held)
    pool.acquire()
    with pytest.raises(DatabaseBusyError):
        pool.acquire()


@pytest.mark.parametrize("end", ["release", "discard"])
def test_a_waiting_caller_gets_the_place_that_becomes_free(engine: Engine, end: str) -> None:
    pool = ConnectionPool(engine, size=1, timeout=30)
    held, taken = pool.acquire(), threading.Event()

    def wait() -> None:
        pool.acquire()
        taken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not taken.is_set()
    getattr(pool, end)(held)
    assert taken.wait(10)
    thread.join()


def test_a_connection_that_cannot_be_opened_does_not_use_up_a_place(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    pool = ConnectionPool(
        create_engine(f"sqlite:///{folder / 'pool.db'}", poolclass=NullPool), size=1, timeout=0.05
    )
    for _ in range(2):
        with pytest.raises(Exception, match="unable to open"):
            pool.acquire()
    folder.mkdir()
    pool.acquire()


def test_a_connection_is_released_once(engine: Engine, closed: list[object]) -> None:
    pool = ConnectionPool(engine, size=2, timeout=0.05)
    connection = pool.acquire()
    pool.release(connection)
    pool.release(connection)
    pool.discard(connection)
    assert closed == []
    assert pool.acquire() is connection
    assert pool.acquire() is not connection


def test_connections_that_were_open_when_one_was_lost_are_replaced_once(
    engine: Engine, closed: list[object]
) -> None:
    pool = ConnectionPool(engine, size=2, timeout=1)
    lost, other = pool.acquire(), pool.acquire()
    pool.release(other)
    pool.mark_stale(lost)
    pool.discard(lost)
    replacement = pool.acquire()
    assert replacement is not other
    assert closed == [lost.driver, other.driver]
    pool.release(replacement)
    # an old connection that is found lost later does not make newer ones stale
    pool.mark_stale(lost)
    assert pool.acquire() is replacement


def test_connections_older_than_a_connection_are_replaced(
    engine: Engine, closed: list[object]
) -> None:
    pool = ConnectionPool(engine, size=3, timeout=1)
    old, new = pool.acquire(), pool.acquire()
    pool.release(new)
    pool.mark_older_stale(new)
    pool.release(old)
    replacement = pool.acquire()
    assert closed == [old.driver]
    assert pool.acquire() is new
    assert replacement is not old


def test_a_fresh_connection_prefers_a_free_place_to_that_of_an_idle_one(
    engine: Engine, closed: list[object]
) -> None:
    pool = ConnectionPool(engine, size=2, timeout=1)
    idle = pool.acquire()
    pool.release(idle)
    fresh = pool.acquire(fresh=True)
    assert closed == []
    pool.discard(fresh)
    held = pool.acquire()
    assert held is idle
    other = pool.acquire()
    pool.release(held)
    fresh_again = pool.acquire(fresh=True)
    assert fresh_again not in (idle, other)
    assert closed == [fresh.driver, idle.driver]


def test_closing_closes_idle_connections_now_and_held_ones_on_release(
    engine: Engine, closed: list[object]
) -> None:
    pool = ConnectionPool(engine, size=2, timeout=1)
    idle, held = pool.acquire(), pool.acquire()
    pool.release(idle)
    pool.close()
    assert closed == [idle.driver]
    with pytest.raises(DBConnectionError):
        pool.acquire()
    pool.release(held)
    assert closed == [idle.driver, held.driver]


def test_closing_ends_the_wait_for_a_connection(engine: Engine) -> None:
    pool = ConnectionPool(engine, size=1, timeout=30)
    held = pool.acquire()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            pool.acquire()
        except DBConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    pool.close()
    thread.join(10)
    assert len(errors) == 1
    pool.release(held)
