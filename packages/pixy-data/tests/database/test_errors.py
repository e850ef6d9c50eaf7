"""The exception for each error code: from a real driver where possible, else made up."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import sqlalchemy.exc

from image_samples import make_detail
from pixy_core import (
    ConfigurationError,
    ConstraintViolationError,
    DatabaseBusyError,
    DatabaseError,
    DBConnectionError,
    PixyProxyException,
    User,
)
from pixy_data import Database, ImageRepository, UserRepository, open_database, run_transaction
from pixy_data.database.errors import (
    MYSQL_CODES,
    SQLITE_CODES,
    AccountRefusedError,
    ConnectionLostError,
    PrivilegeMissingError,
    ReadOnlyServerError,
    ServerRefusalError,
    TransactionConflictError,
    translate_error,
)
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

MYSQL_KINDS: dict[type[PixyProxyException], set[int]] = {
    ConnectionLostError: {
        *(1047, 1053, 1152, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2014, 2026, 2027, 2055),
        *(3169, 4031),
    },
    DBConnectionError: {
        *(1105, 1129, 1130, 1153, 1180, 2002, 2003, 2005, 2012, 2054, 3032, 3100),
    },
    AccountRefusedError: {
        *(1044, 1045, 1049, 1102, 1251, 1698, 1820, 1862, 2059, 3118, 3159, 4151),
    },
    PrivilegeMissingError: {1095, 1142, 1143, 1227, 1370},
    ServerRefusalError: {1235},
    ReadOnlyServerError: {1290, 1792, 1836},
    TransactionConflictError: {
        *(1020, 1205, 1213, 3101, 8002, 8022, 8028, 8147, 9004, 9007),
    },
    DatabaseBusyError: {
        *(1021, 1030, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1206, 1226, 1317, 1637),
        *(1969, 3024, 9001, 9002, 9003, 9005),
    },
    ConstraintViolationError: {1406, 3819, 4025},
}
SQLITE_KINDS: dict[type[PixyProxyException], set[int]] = {
    ConnectionLostError: {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_IOERR_FSYNC},
    DBConnectionError: {sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH},
    ServerRefusalError: {
        *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CORRUPT_VTAB),
        *(sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT),
    },
    ReadOnlyServerError: {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_READONLY_DBMOVED},
    TransactionConflictError: {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_BUSY_RECOVERY),
        *(sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA),
        *(sqlite3.SQLITE_ABORT, sqlite3.SQLITE_ABORT_ROLLBACK),
    },
    DatabaseBusyError: {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT),
        sqlite3.SQLITE_NOLFS,
    },
    ConstraintViolationError: {
        *(sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_MISMATCH),
        sqlite3.SQLITE_CONSTRAINT,
    },
    DatabaseError: {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_RANGE},
}
CONNECTION_ID = "SELECT CONNECTION_ID()"


def pairs(kinds: dict[type[PixyProxyException], set[int]]) -> list[tuple[int, type]]:
    return sorted(((code, kind) for kind, codes in kinds.items() for code in codes), key=str)


def named(name: str) -> User:
    return User(username=name, password="hash", class_key="red")


def get_id(database: Database) -> object:
    row = database.fetch_one(CONNECTION_ID, {})
    assert row is not None
    return row[0]


def test_each_row_of_the_tables_is_tested() -> None:
    assert {code for codes in MYSQL_KINDS.values() for code in codes} == set(MYSQL_CODES)
    tested = {code & 0xFF for codes in SQLITE_KINDS.values() for code in codes}
    assert tested >= set(SQLITE_CODES)


@pytest.mark.parametrize(("code", "kind"), pairs(MYSQL_KINDS))
def test_each_code_of_mysql_has_its_meaning(code: int, kind: type[PixyProxyException]) -> None:
    error = sqlite3.OperationalError(code, "what the server says")
    translated = translate_error(error, sqlite3, "pixy at host:3306")
    assert type(translated) is kind
    assert translated.reason.startswith(f"pixy at host:3306: error {code}, ")


@pytest.mark.parametrize(("code", "kind"), pairs(SQLITE_KINDS))
def test_each_code_of_sqlite_has_its_meaning(code: int, kind: type[PixyProxyException]) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    assert type(translate_error(error, sqlite3)) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2000, DBConnectionError),
        (2008, DBConnectionError),
        (2999, DBConnectionError),
        (0, ConnectionLostError),
        (-1, ConnectionLostError),
        (1064, DatabaseError),
        (1146, DatabaseError),
    ],
)
def test_codes_without_a_row(code: int, kind: type[PixyProxyException]) -> None:
    assert type(translate_error(sqlite3.OperationalError(code, ""), sqlite3)) is kind


def test_an_error_without_a_code_is_a_lost_connection() -> None:
    assert type(translate_error(sqlite3.InterfaceError(), sqlite3)) is ConnectionLostError


def test_an_error_that_sqlalchemy_wraps_is_unwrapped() -> None:
    wrapped = sqlalchemy.exc.DBAPIError("SELECT", {}, sqlite3.IntegrityError("UNIQUE"))
    assert isinstance(translate_error(wrapped, sqlite3), ConstraintViolationError)


def test_an_error_of_no_driver_is_a_database_error() -> None:
    assert type(translate_error(KeyError("name"), sqlite3)) is DatabaseError


@pytest.mark.parametrize("code", [1064, 1105, 1213, 1290])
def test_a_text_that_may_contain_sql_or_values_is_not_repeated(code: int) -> None:
    error = sqlite3.OperationalError(code, "near 'a secret prompt'")
    assert "secret" not in translate_error(error, sqlite3).explanation


# what servers answer, sent by real ones


@pytest.fixture(scope="module")
def single(mysql_server: "MySQLServer") -> Iterator[Database]:
    """A database with one connection, for all tests of the module."""
    database = open_database(mysql_server.create_database(), pool_size=1, checkout_timeout=0.2)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("code", "kind"), [pair for pair in pairs(MYSQL_KINDS) if pair[0] not in range(2000, 3000)]
)
def test_a_server_s_code_keeps_or_costs_the_connection(
    single: Database, code: int, kind: type[PixyProxyException]
) -> None:
    before = get_id(single)
    with pytest.raises(PixyProxyException) as caught:
        single.fetch_one(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}", {})
    assert type(caught.value) is kind
    is_kept = not issubclass(kind, DBConnectionError | ReadOnlyServerError)
    assert (get_id(single) == before) is is_kept
    UserRepository(single).insert_user(named(f"after {code}"))


@pytest.mark.parametrize("code", [3101, 9007, 8028, 8147])
def test_a_transaction_that_a_cluster_rolls_back_is_retried(single: Database, code: int) -> None:
    users, attempts = UserRepository(single), []

    def work() -> None:
        users.insert_user(named(f"retried {code}"))
        attempts.append(code)
        if len(attempts) == 1:
            single.execute(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}", {})

    run_transaction(single, work)
    assert len(attempts) == 2
    assert users.authenticate_user(f"retried {code}") is not None


@pytest.fixture
def spoiled(mysql_server: "MySQLServer", database_url: str) -> Iterator[tuple[Database, TcpProxy]]:
    """A database with one connection, through a proxy that can spoil an answer."""
    with TcpProxy(mysql_server.port) as proxy:
        url = database_url.replace(f":{urlsplit(database_url).port}/", f":{proxy.port}/")
        database = open_database(url, pool_size=1, checkout_timeout=0.2)
        yield database, proxy
        database.close()


def test_a_malformed_answer_to_a_read_costs_the_connection_alone(
    spoiled: tuple[Database, TcpProxy],
) -> None:
    database, proxy = spoiled
    before = get_id(database)
    proxy.spoil_answer_to(b"SELECT 41 + 1")
    assert database.fetch_one("SELECT 41 + 1", {}) == (42,)
    assert get_id(database) != before


def test_a_malformed_answer_in_a_transaction_is_a_connection_error(
    spoiled: tuple[Database, TcpProxy],
) -> None:
    database, proxy = spoiled
    users = UserRepository(database)
    proxy.spoil_answer_to(b"INSERT INTO users")
    with pytest.raises(DBConnectionError) as caught:
        users.insert_user(named("bert"))
    assert "error 2027" in caught.value.reason
    assert users.list_users() == []
    users.insert_user(named("bert"))


def test_a_server_in_offline_mode_is_a_connection_error(
    mysql_server: "MySQLServer", single: Database
) -> None:
    if mysql_server.is_mariadb:
        pytest.skip("MariaDB has no offline mode")
    mysql_server.execute("SET GLOBAL offline_mode = ON")
    try:
        for _ in range(2):
            with pytest.raises(DBConnectionError) as caught:
                single.ping()
        assert "error 3032, the server is in offline mode" in caught.value.reason
    finally:
        mysql_server.execute("SET GLOBAL offline_mode = OFF")
    single.ping()


def test_a_query_that_an_operator_kills_is_busy_and_keeps_its_connection(
    mysql_server: "MySQLServer", single: Database
) -> None:
    UserRepository(single).insert_user(named("bert"))
    before = get_id(single)

    def kill() -> None:
        running = (
            "SELECT id FROM information_schema.processlist "
            f"WHERE user = '{single.url.username}' AND info LIKE '%SLEEP%'"
        )
        while not (found := mysql_server.execute(running)):
            pass
        mysql_server.execute(f"KILL QUERY {found[0][0]}")

    killing = threading.Thread(target=kill)
    killing.start()
    with pytest.raises(DatabaseBusyError) as caught:
        single.fetch_all("SELECT username FROM users WHERE SLEEP(9) = 0", {})
    killing.join()
    assert "error 1317" in caught.value.reason
    assert get_id(single) == before


# what SQLite answers, by itself


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database file with a user and an image."""
    path = tmp_path / "pixy.db"
    with closing(open_database(f"sqlite:///{path}")) as database:
        anna = User(username="anna", password="-", class_key="red")
        anna = UserRepository(database).insert_user(anna)
        ImageRepository(database).insert_image(make_detail("a lighthouse"), anna)
    return path


@pytest.fixture
def opened(file: Path) -> Iterator[Database]:
    """It, through one connection."""
    database = open_database(f"sqlite:///{file}", pool_size=1, checkout_timeout=0.2)
    yield database
    database.close()


def test_a_connection_that_sqlite_opened_read_only_is_replaced(opened: Database) -> None:
    # as a connection is that was opened while its file could not be written
    opened.fetch_one("PRAGMA query_only = ON", {})
    UserRepository(opened).insert_user(named("bert"))
    assert opened.fetch_one("PRAGMA query_only", {}) == (0,)


def test_a_full_sqlite_disk_is_busy(opened: Database) -> None:
    users = UserRepository(opened)
    row = opened.fetch_one("PRAGMA page_count", {})
    assert row is not None
    opened.fetch_one(f"PRAGMA max_page_count = {row[0]}", {})
    with pytest.raises(DatabaseBusyError) as caught:
        users.insert_user(User(username="carl", password="x" * 9000, class_key="red"))
    assert "SQLITE_FULL, the disk is full" in caught.value.reason
    assert [user.username for user in users.list_users()] == ["anna"]


def test_an_interrupted_sqlite_statement_is_busy(opened: Database) -> None:
    endless = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    )
    connection = opened.runner.acquire()
    timer = threading.Timer(0.2, connection.driver.interrupt)
    timer.start()
    with pytest.raises(DatabaseBusyError):
        opened.runner.run(connection, endless, {}, lambda cursor: cursor.fetchone())
    timer.join()
    opened.runner.release(connection)
    opened.ping()


def test_a_damaged_sqlite_file_is_reported_at_the_start(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100:4096] = b"\xff" * 3996
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is damaged: restore it") as caught:
        open_database(f"sqlite:///{file}")
    assert str(file) in str(caught.value)


def test_a_sqlite_file_that_is_damaged_later_is_a_connection_error(
    file: Path, opened: Database
) -> None:
    content = bytearray(file.read_bytes())
    page = 4096
    for start in range(page, len(content), page):
        content[start : start + page] = b"\xff" * page
    file.write_bytes(content)
    with pytest.raises(DBConnectionError) as caught:
        UserRepository(opened).list_users()
    assert "SQLITE_CORRUPT" in caught.value.reason
    assert str(caught.value) == "Error connecting to the database"
