"""Two real servers behind one address: the old primary turns read-only, the other takes over."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pixy_core import DatabaseBusyError, User
from pixy_data import Database, DatabaseContext, UserRepository, open_database
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

WHICH_SERVER = "SELECT @@port"
CONNECTION_ID = "SELECT CONNECTION_ID()"
SIZE = 4


@dataclass
class Pair:
    """An old and a new primary with the same database, behind one address."""

    old: "MySQLServer"
    new: "MySQLServer"
    proxy: TcpProxy
    database: Database
    users: UserRepository

    def fail_over(self) -> None:
        self.old.execute("SET GLOBAL read_only = ON")
        self.proxy.redirect(self.new.port)


@pytest.fixture(scope="module")
def servers(
    _mysql_server: "MySQLServer | None", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple["MySQLServer", "MySQLServer", str]]:
    if _mysql_server is None:
        pytest.skip("only a server can show this: --mysqld PATH")
    url = _mysql_server.create_database()
    open_database(url).close()
    other = _mysql_server.copy_to(tmp_path_factory.mktemp("other"))
    try:
        other.start()
        yield _mysql_server, other, url
    finally:
        other.stop()


@pytest.fixture
def pair(
    mysql_server: "MySQLServer", servers: tuple["MySQLServer", "MySQLServer", str]
) -> Iterator[Pair]:
    """Both servers take writes; all connections are open and lead to the old one."""
    old, new, url = servers
    with TcpProxy(mysql_server.port) as proxy:
        through = url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")
        database = open_database(through, pool_size=SIZE)
        fetch_on_each(database, WHICH_SERVER)
        yield Pair(old, new, proxy, database, UserRepository(database))
        database.close()
    old.execute("SET GLOBAL read_only = OFF", "DELETE FROM " + urlsplit(url).path[1:] + ".users")
    new.execute("DELETE FROM " + urlsplit(url).path[1:] + ".users")


def fetch_on_each(database: Database, sql: str) -> list[object]:
    """Return the result of a query on each connection of the pool."""
    connections = [database.runner.acquire() for _ in range(SIZE)]
    answers = [
        database.runner.run(connection, sql, {}, lambda cursor: cursor.fetchone())[0]
        for connection in connections
    ]
    for connection in connections:
        database.runner.release(connection)
    return answers


def make_user(name: str) -> User:
    return User(username=name, password="hash", class_key="red")


def test_a_write_after_the_failover_reaches_the_new_primary_at_once(pair: Pair) -> None:
    pair.fail_over()
    pair.users.insert_user(make_user("bert"))
    assert [user.username for user in pair.users.list_users()] == ["bert"]


def test_after_the_failover_no_connection_leads_to_the_old_primary(pair: Pair) -> None:
    assert fetch_on_each(pair.database, WHICH_SERVER) == [pair.old.port] * SIZE
    pair.fail_over()
    pair.users.insert_user(make_user("bert"))
    assert fetch_on_each(pair.database, WHICH_SERVER) == [pair.new.port] * SIZE


def test_connections_that_were_opened_between_demotion_and_switch_are_replaced_too(
    pair: Pair,
) -> None:
    pair.old.execute("SET GLOBAL read_only = ON")
    with pytest.raises(DatabaseBusyError):
        pair.users.insert_user(make_user("bert"))
    assert fetch_on_each(pair.database, WHICH_SERVER) == [pair.old.port] * SIZE
    pair.proxy.redirect(pair.new.port)
    pair.users.insert_user(make_user("bert"))
    assert fetch_on_each(pair.database, WHICH_SERVER) == [pair.new.port] * SIZE


def test_a_failover_within_a_transaction_keeps_nothing_of_it(pair: Pair) -> None:
    with pytest.raises(DatabaseBusyError), DatabaseContext(pair.database) as db:
        db.begin_transaction()
        pair.fail_over()
        pair.users.insert_user(make_user("bert"))
    assert pair.users.list_users() == []
    pair.users.insert_user(make_user("bert"))
    assert len(pair.users.list_users()) == 1


def test_find_writer_leads_the_reads_to_the_new_primary(pair: Pair) -> None:
    pair.fail_over()
    assert fetch_on_each(pair.database, WHICH_SERVER) == [pair.old.port] * SIZE
    pair.database.find_writer()
    assert fetch_on_each(pair.database, WHICH_SERVER) == [pair.new.port] * SIZE


def test_reads_keep_their_connections_while_the_only_server_is_read_only(pair: Pair) -> None:
    pair.old.execute("SET GLOBAL read_only = ON")
    with pytest.raises(DatabaseBusyError):
        pair.users.insert_user(make_user("bert"))
    before = set(fetch_on_each(pair.database, CONNECTION_ID))
    for _ in range(10):
        with pytest.raises(DatabaseBusyError):
            pair.users.insert_user(make_user("bert"))
        assert pair.users.list_users() == []
    # each write gave up one connection, in the place of which it had opened one
    assert len(before & set(fetch_on_each(pair.database, CONNECTION_ID))) >= SIZE - 1


def test_the_reason_says_that_the_server_is_read_only(pair: Pair) -> None:
    pair.old.execute("SET GLOBAL read_only = ON")
    with pytest.raises(DatabaseBusyError) as caught:
        pair.users.insert_user(make_user("bert"))
    assert str(caught.value) == "The database is busy"
    assert f"127.0.0.1:{pair.proxy.port}: error 1290" in caught.value.explanation
