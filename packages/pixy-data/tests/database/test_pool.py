"""The pool of connections, on SQLite: whose turn it is, and what becomes of a connection."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, event

from pixy_core import DatabaseBusyError, DBConnectionError
from pixy_data.database.pool import Pool


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
    pool = Pool(engine, size=3, timeout=1)
    first, second = pool.take(), pool.take()
    assert first.driver is not second.driver
    pool.give_back(second)
    pool.give_back(first)
    assert pool.take() is first
    assert pool.take() is second
    pool.close()


def test_no_more_connections_are_open_than_there_are_places(engine: Engine) -> None:
    pool = Pool(engine, size=2, timeout=0.05)
    pool.take()
    held = pool.take()
    with pytest.raises(DatabaseBusyError):
        pool.take()
    pool.discard(held)
    pool.take()
    with pytest.raises(DatabaseBusyError):
        pool.take()


@pytest.mark.parametrize("end", ["give_back", "discard"])
def test_who_waits_gets_the_place_that_becomes_free(engine: Engine, end: str) -> None:
    pool = Pool(engine, size=1, timeout=30)
    held, taken = pool.take(), threading.Event()

    def wait() -> None:
        pool.take()
        taken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not taken.is_set()
    getattr(pool, end)(held)
    assert taken.wait(10)
    thread.join()


def test_a_connection_that_could_not_be_opened_leaves_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    pool = Pool(
        create_engine(f"sqlite:///{folder / 'pool.db'}", poolclass=NullPool), size=1, timeout=0.05
    )
    for _ in range(2):
        with pytest.raises(Exception, match="unable to open"):
            pool.take()
    folder.mkdir()
    pool.take()


def test_a_connection_goes_back_once(engine: Engine, closed: list[object]) -> None:
    pool = Pool(engine, size=2, timeout=0.05)
    connection = pool.take()
    pool.give_back(connection)
    pool.give_back(connection)
    pool.discard(connection)
    assert closed == []
    assert pool.take() is connection
    assert pool.take() is not connection


def test_what_was_open_with_a_suspect_is_replaced_once(
    engine: Engine, closed: list[object]
) -> None:
    pool = Pool(engine, size=2, timeout=1)
    lost, other = pool.take(), pool.take()
    pool.give_back(other)
    pool.suspect(lost)
    pool.discard(lost)
    replacement = pool.take()
    assert replacement is not other
    assert closed == [lost.driver, other.driver]
    pool.give_back(replacement)
    # an old connection that is found lost late says nothing of those opened since
    pool.suspect(lost)
    assert pool.take() is replacement


def test_what_is_older_than_a_connection_is_replaced(engine: Engine, closed: list[object]) -> None:
    pool = Pool(engine, size=3, timeout=1)
    old, new = pool.take(), pool.take()
    pool.give_back(new)
    pool.replace_older(new)
    pool.give_back(old)
    replacement = pool.take()
    assert closed == [old.driver]
    assert pool.take() is new
    assert replacement is not old


def test_a_fresh_connection_takes_a_free_place_before_an_idle_one_s(
    engine: Engine, closed: list[object]
) -> None:
    pool = Pool(engine, size=2, timeout=1)
    idle = pool.take()
    pool.give_back(idle)
    fresh = pool.take(fresh=True)
    assert closed == []
    pool.discard(fresh)
    held = pool.take()
    assert held is idle
    other = pool.take()
    pool.give_back(held)
    fresh_again = pool.take(fresh=True)
    assert fresh_again not in (idle, other)
    assert closed == [fresh.driver, idle.driver]


def test_closing_closes_what_is_idle_now_and_what_is_held_later(
    engine: Engine, closed: list[object]
) -> None:
    pool = Pool(engine, size=2, timeout=1)
    idle, held = pool.take(), pool.take()
    pool.give_back(idle)
    pool.close()
    assert closed == [idle.driver]
    with pytest.raises(DBConnectionError):
        pool.take()
    pool.give_back(held)
    assert closed == [idle.driver, held.driver]


def test_closing_ends_the_wait_for_a_place(engine: Engine) -> None:
    pool = Pool(engine, size=1, timeout=30)
    held = pool.take()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            pool.take()
        except DBConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    pool.close()
    thread.join(10)
    assert len(errors) == 1
    pool.give_back(held)
