"""Connections that break, hang or run out, on real servers."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from new_databases import create_tables
from pixy_core import (
    ConfigurationError,
    DatabaseBusyError,
    DBConnectionError,
    PixyProxyException,
    User,
)
from pixy_data import (
    Database,
    DatabaseContext,
    UserRepository,
    initialise_database,
    open_database,
    run_transaction,
)
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

BERT = User(username="bert", password="hash", class_key="red")
CONNECTION_ID = "SELECT CONNECTION_ID()"


@pytest.fixture
def database_url(database_url: str) -> str:
    """The URL of a new database with tables."""
    create_tables(database_url)
    return database_url


@contextmanager
def stopped(server: "MySQLServer") -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def suspended(server: "MySQLServer") -> Iterator[None]:
    server.suspend()
    try:
        yield
    finally:
        server.resume()


def fill_pool(database: Database, count: int) -> None:
    """Open `count` connections, and release them."""
    barrier = threading.Barrier(count)

    def hold() -> None:
        with DatabaseContext(database) as db:
            if database.sqlite:
                connection = database.runner.acquire()
                barrier.wait()
                database.runner.release(connection)
            else:
                db.begin_transaction()
                barrier.wait()

    threads = [threading.Thread(target=hold) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_restart_while_idle_is_not_noticed_by_reads(
    mysql_server: "MySQLServer", database: Database, users: UserRepository, anna: User
) -> None:
    fill_pool(database, 5)
    mysql_server.restart()
    for _ in range(6):
        assert users.authenticate_user("anna") == anna
    fill_pool(database, 5)


def test_one_lost_connection_has_the_others_replaced_before_they_are_used(
    mysql_server: "MySQLServer", database: Database
) -> None:
    fill_pool(database, 3)
    mysql_server.restart()
    database.ping()
    connections = [database.runner.acquire() for _ in range(3)]
    for connection in connections:
        assert database.runner.run(connection, "SELECT 1", {}, lambda cursor: cursor.fetchone())
        database.runner.release(connection)


def test_a_restart_while_idle_is_not_noticed_by_threads_reading_at_once(
    mysql_server: "MySQLServer", database: Database
) -> None:
    fill_pool(database, 5)
    mysql_server.restart()
    failures: list[PixyProxyException] = []
    barrier = threading.Barrier(5)

    def read() -> None:
        barrier.wait()
        try:
            database.ping()
        except PixyProxyException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_restart_while_idle_is_not_noticed_by_writes(
    mysql_server: "MySQLServer", database: Database, users: UserRepository, anna: User
) -> None:
    fill_pool(database, 5)
    mysql_server.restart()
    assert users.update_password("anna", "new hash")
    run_transaction(database, lambda: users.insert_user(BERT))
    assert len(users.list_users()) == 2


def test_a_connection_that_the_server_closed_for_idling_is_replaced(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    mysql_server.execute("SET GLOBAL wait_timeout = 1")
    try:
        database = open_database(database_url, pool_size=1)
        threading.Event().wait(2)
        database.ping()
        database.close()
    finally:
        mysql_server.execute("SET GLOBAL wait_timeout = 28800")


def test_a_server_that_is_down_is_a_connection_error_until_it_is_back(
    mysql_server: "MySQLServer", database: Database, users: UserRepository, anna: User
) -> None:
    with stopped(mysql_server):
        for _ in range(2):
            with pytest.raises(DBConnectionError):
                users.authenticate_user("anna")
            with pytest.raises(DBConnectionError):
                users.update_password("anna", "lost")
            with pytest.raises(DBConnectionError):
                database.ping()
    assert users.authenticate_user("anna") == anna


def test_a_server_lost_inside_a_transaction_keeps_nothing_of_it(
    mysql_server: "MySQLServer", database: Database, users: UserRepository
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        mysql_server.restart()
        with pytest.raises(DBConnectionError):
            users.authenticate_user("bert")
        with pytest.raises(DBConnectionError):
            users.insert_user(BERT)
        with pytest.raises(DBConnectionError):
            db.commit_transaction()
    assert users.list_users() == []


def test_a_connection_lost_at_the_commit_is_a_connection_error(
    mysql_server: "MySQLServer", database: Database, users: UserRepository
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        mysql_server.restart()
        with pytest.raises(DBConnectionError):
            db.commit_transaction()
    assert users.list_users() == []


def test_a_connection_that_was_killed_is_replaced(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    database = open_database(database_url, pool_size=1)
    before = database.fetch_one(CONNECTION_ID, {})
    assert before is not None
    mysql_server.execute(f"KILL {before[0]}")
    assert database.fetch_one(CONNECTION_ID, {}) != before
    database.close()


def test_a_server_that_hangs_is_a_connection_error_and_its_connection_is_discarded(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    database = open_database(database_url, pool_size=1, connect_timeout=1, read_timeout=2)
    before = database.fetch_one(CONNECTION_ID, {})
    with suspended(mysql_server):
        with pytest.raises(DBConnectionError):
            database.ping()
        with pytest.raises(DBConnectionError):
            UserRepository(database).insert_user(BERT)
    assert database.fetch_one(CONNECTION_ID, {}) != before
    database.close()


def test_a_read_that_timed_out_is_not_retried(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    database = open_database(database_url, pool_size=1, read_timeout=1)
    with pytest.raises(DBConnectionError):
        database.fetch_one("SELECT SLEEP(5)", {})
    running = mysql_server.execute(
        "SELECT info FROM information_schema.processlist "
        f"WHERE user = '{database.url.username}' AND info LIKE '%SLEEP%'"
    )
    assert len(running) <= 1
    database.ping()
    database.close()


def test_a_lost_connection_does_not_use_up_a_place_in_the_pool(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    database = open_database(database_url, pool_size=1, checkout_timeout=0.2)
    for _ in range(3):
        mysql_server.restart()
        UserRepository(database).list_users()
    with stopped(mysql_server), pytest.raises(DBConnectionError):
        database.ping()
    database.ping()
    database.close()


def test_no_connection_becoming_free_is_busy(database_url: str) -> None:
    database = open_database(database_url, pool_size=1, checkout_timeout=0.1)
    held = database.runner.acquire()
    with pytest.raises(DatabaseBusyError):
        database.ping()
    with pytest.raises(DatabaseBusyError):
        UserRepository(database).insert_user(BERT)
    database.runner.release(held)
    database.ping()
    database.close()


def test_a_server_that_takes_no_more_connections_is_busy(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    database = open_database(database_url)
    database.close()
    # the limit is counted for connections made under it
    user = database.url.username
    mysql_server.execute(f"ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS 1")
    database = open_database(database_url)
    held = database.runner.acquire()
    with pytest.raises(DatabaseBusyError):
        database.ping()
    database.runner.release(held)
    database.ping()
    database.close()


def test_a_read_only_server_is_read_and_busy_for_writes(
    mysql_server: "MySQLServer", users: UserRepository, anna: User
) -> None:
    mysql_server.execute("SET GLOBAL read_only = ON")
    try:
        assert users.authenticate_user("anna") == anna
        with pytest.raises(DatabaseBusyError):
            users.insert_user(BERT)
    finally:
        mysql_server.execute("SET GLOBAL read_only = OFF")
    users.insert_user(BERT)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_statement_closes_its_connection(
    database_url: str, interruption: type[BaseException]
) -> None:
    database = open_database(database_url, pool_size=1, checkout_timeout=0.1)

    def interrupt(_cursor: object) -> None:
        raise interruption

    connection = database.runner.acquire()
    with pytest.raises((interruption, PixyProxyException)):
        database.runner.run(connection, "SELECT 1", {}, interrupt)
    assert not connection.is_valid
    database.ping()
    database.close()


def test_a_refused_statement_keeps_its_connection(database_url: str) -> None:
    database = open_database(database_url, pool_size=1, checkout_timeout=0.1)
    connection = database.runner.acquire()
    with pytest.raises(PixyProxyException):
        database.runner.run(connection, "SELECT nothing FROM nowhere", {}, lambda _: None)
    assert connection.is_valid
    database.runner.release(connection)
    database.close()


def test_errors_contain_neither_statement_nor_values(database: Database) -> None:
    with pytest.raises(PixyProxyException) as caught:
        database.fetch_one("SELECT secretcolumn FROM nowhere WHERE a = :a", {"a": "secretvalue"})
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is not None


def test_a_database_that_is_down_at_start_is_used_once_it_is_up(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    database = Database(database_url, connect_timeout=1)
    with stopped(mysql_server):
        with pytest.raises(DBConnectionError):
            initialise_database(database)
        with pytest.raises(DBConnectionError):
            database.ping()
    initialise_database(database)
    database.ping()
    database.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: re.sub(":[^:@]*@", ":wrong@", url),
        lambda url: url.replace("mysql://", "mysql://x", 1),
        lambda url: f"{url}_unknown",
    ],
    ids=["password", "user", "database"],
)
def test_a_server_that_refuses_the_url_says_what_to_correct(
    mysql_server: "MySQLServer", database_url: str, spoil: Callable[[str], str]
) -> None:
    with pytest.raises(ConfigurationError, match="refuses this user, password or database"):
        open_database(spoil(database_url))


def test_tls_is_used_where_it_is_asked_for(mysql_server: "MySQLServer", database_url: str) -> None:
    for url, expected in (
        (f"{database_url}?ssl_mode=REQUIRED", True),
        (f"{database_url}?ssl_ca={mysql_server.authority}", True),
        (f"{database_url}?ssl_mode=DISABLED", False),
    ):
        database = open_database(url)
        row = database.fetch_one("SHOW SESSION STATUS LIKE 'Ssl_cipher'", {})
        assert row is not None
        assert bool(row[1]) is expected
        database.close()


def test_a_certificate_of_another_authority_is_refused(
    mysql_server: "MySQLServer", database_url: str, tmp_path: Path
) -> None:
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with pytest.raises(DBConnectionError):
        open_database(f"{database_url}?ssl_ca={other}")


def test_a_server_that_requires_tls_is_used_over_it(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    mysql_server.execute("SET GLOBAL require_secure_transport = ON")
    try:
        with pytest.raises(ConfigurationError, match="ssl_mode=REQUIRED"):
            open_database(f"{database_url}?ssl_mode=DISABLED")
        open_database(f"{database_url}?ssl_mode=REQUIRED").close()
    finally:
        mysql_server.execute("SET GLOBAL require_secure_transport = OFF")


def test_a_user_who_must_use_tls_does(mysql_server: "MySQLServer", database_url: str) -> None:
    user = Database(database_url).url.username
    mysql_server.execute(f"ALTER USER '{user}'@'%' REQUIRE SSL")
    with pytest.raises(ConfigurationError, match="refuses"):
        open_database(f"{database_url}?ssl_mode=DISABLED")
    open_database(f"{database_url}?ssl_mode=REQUIRED").close()


def test_each_connection_of_mariadb_waits_for_what_other_nodes_have_committed(
    mysql_server: "MySQLServer", database: Database
) -> None:
    if not mysql_server.is_mariadb:
        pytest.skip("MySQL has no such variable")
    assert database.fetch_one("SELECT @@SESSION.wsrep_sync_wait", {}) == (1,)


def test_a_server_without_galera_is_asked_once(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    if mysql_server.is_mariadb:
        pytest.skip("MariaDB has the variable, also without a cluster")
    open_database(database_url).close()
    with TcpProxy(mysql_server.port) as proxy:
        port = f":{urlsplit(database_url).port}/"
        database = open_database(database_url.replace(port, f":{proxy.port}/"), pool_size=3)
        connections = [database.runner.acquire() for _ in range(3)]
        assert proxy.count_requests(b"wsrep_sync_wait") == 1
        for connection in connections:
            database.runner.release(connection)
        database.close()
