"""The database handle: results of statements, the shared secret, and the query runner."""

import asyncio
import threading

import pytest

from pixy_core import DBConnectionError, RecordNotFoundError, User
from pixy_data import Database, UserRepository, open_database

SELECT = "SELECT username FROM users ORDER BY username"


@pytest.fixture
def three(users: UserRepository) -> None:
    for name in ("anna", "bert", "carl"):
        users.insert_user(User(username=name, password="-", class_key="red"))


@pytest.mark.usefixtures("three")
def test_fetch_all_gives_the_rows_in_order(database: Database) -> None:
    assert database.fetch_all(SELECT, {}) == [("anna",), ("bert",), ("carl",)]


@pytest.mark.usefixtures("three")
def test_fetch_one_gives_the_first_row(database: Database) -> None:
    assert database.fetch_one(SELECT, {}) == ("anna",)
    assert database.fetch_one("SELECT 1 FROM users WHERE username = 'dora'", {}) is None


@pytest.mark.usefixtures("three")
def test_execute_counts_the_rows_that_match(database: Database) -> None:
    statement = "UPDATE users SET password = :password WHERE username >= :name"
    for _ in range(2):
        result = database.execute(statement, {"password": "new", "name": "bert"})
        assert result.rowcount == 2


@pytest.mark.usefixtures("three")
def test_a_parameter_may_occur_several_times(database: Database) -> None:
    sql = "SELECT username FROM users WHERE username = :name OR password = :name"
    assert database.fetch_all(sql, {"name": "anna"}) == [("anna",)]


@pytest.mark.usefixtures("three")
def test_a_percent_sign_in_a_statement_is_literal(database: Database) -> None:
    sql = "SELECT username FROM users WHERE username LIKE '%nn%' AND password <> :other"
    assert database.fetch_all(sql, {"other": "%s"}) == [("anna",)]
    assert database.fetch_all("SELECT username FROM users WHERE username LIKE '%rl'", {}) == [
        ("carl",)
    ]


def test_all_processes_have_the_same_secret(database: Database, database_url: str) -> None:
    other = open_database(database_url)
    assert database.secret("cursor") == other.secret("cursor")
    assert len(database.secret("cursor")) == 32
    other.close()


def test_the_secret_of_another_database_is_another(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = open_database(f"sqlite:///{tmp_path_factory.mktemp('other')}/pixy.db")
    assert database.secret("cursor") != other.secret("cursor")
    other.close()


def test_an_unknown_secret_is_not_found(database: Database) -> None:
    with pytest.raises(RecordNotFoundError):
        database.secret("another")


def test_a_closed_database_answers_nothing(database: Database) -> None:
    database.close()
    with pytest.raises(DBConnectionError):
        database.ping()
    database.close()


def test_the_query_runner_uses_a_thread_only_where_a_query_would_block(database: Database) -> None:
    # the event loop opens no connections
    database.ping()
    database.runner.release(database.runner.acquire())

    def query() -> int:
        database.ping()
        return threading.get_ident()

    async def test() -> bool:
        run = database.make_query_runner(asyncio.to_thread, concurrency=1)
        return await run(query) == threading.get_ident()

    assert asyncio.run(test()) is not database.sqlite
