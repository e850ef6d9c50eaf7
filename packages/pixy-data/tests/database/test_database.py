"""The database handle: what a statement gives back, and the secret that processes share."""

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
def test_a_parameter_may_stand_in_several_places(database: Database) -> None:
    sql = "SELECT username FROM users WHERE username = :name OR password = :name"
    assert database.fetch_all(sql, {"name": "anna"}) == [("anna",)]


@pytest.mark.usefixtures("three")
def test_a_percent_sign_in_a_statement_is_only_that(database: Database) -> None:
    sql = "SELECT username FROM users WHERE username LIKE '%nn%' AND password <> :other"
    assert database.fetch_all(sql, {"other": "%s"}) == [("anna",)]
    assert database.fetch_all("SELECT username FROM users WHERE username LIKE '%rl'", {}) == [
        ("carl",)
    ]


def test_the_secret_is_the_same_for_everyone(database: Database, database_url: str) -> None:
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


def test_there_is_no_other_secret(database: Database) -> None:
    with pytest.raises(RecordNotFoundError):
        database.secret("another")


def test_a_closed_database_answers_nothing(database: Database) -> None:
    database.close()
    with pytest.raises(DBConnectionError):
        database.ping()
    database.close()
