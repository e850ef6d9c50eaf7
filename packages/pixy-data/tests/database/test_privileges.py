"""Privileges of the server's user: which suffice, and the errors when one is missing."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from image_samples import make_detail
from pixy_core import ConfigurationError, DBConnectionError, User, Visibility
from pixy_data import ImageRepository, UserRepository, open_database
from pixy_data.database.schema import PRIVILEGES

if TYPE_CHECKING:
    from mysql_server import MySQLServer

DEPLOY = Path(__file__).parents[4] / "docs" / "deploy.md"
BERT = User(username="bert", password="hash", class_key="red")
Limit = Callable[[str], None]


@pytest.fixture
def limit(mysql_server: "MySQLServer", database_url: str) -> Limit:
    """Return a function that leaves the user of `database_url` some privileges only."""
    name = urlsplit(database_url).username

    def limit(privileges: str) -> None:
        mysql_server.execute(
            f"REVOKE ALL ON {name}.* FROM '{name}'@'%'",
            f"GRANT {privileges} ON {name}.* TO '{name}'@'%'",
        )

    return limit


def use(url: str) -> None:
    """Do everything to rows that a service does."""
    with closing(open_database(url)) as database:
        users, images = UserRepository(database), ImageRepository(database)
        bert = users.insert_user(BERT)
        image = images.insert_image(make_detail("a lighthouse"), bert)
        assert images.update_visibility(image.guid, "bert", Visibility.PUBLIC)
        assert users.update_password("bert", "another")
        assert images.delete_image(image.guid, "bert")
        database.find_writer()


def test_the_documented_statements_suffice(mysql_server: "MySQLServer") -> None:
    documented = re.search(r"```sql\n(CREATE DATABASE.*?)```", DEPLOY.read_text(), re.DOTALL)
    assert documented is not None
    assert f"GRANT {PRIVILEGES} ON" in documented[1]
    mysql_server.execute(*documented[1].strip().rstrip(";").split(";\n"))
    try:
        use(f"mysql://pixy:a-long-password@127.0.0.1:{mysql_server.port}/pixy")
    finally:
        mysql_server.execute("DROP DATABASE pixy", "DROP USER 'pixy'@'%'")


def test_four_suffice_once_the_tables_are_up_to_date(database_url: str, limit: Limit) -> None:
    open_database(database_url).close()
    limit("SELECT, INSERT, UPDATE, DELETE")
    use(database_url)


@pytest.mark.parametrize("missing", ["CREATE", "INSERT", "SELECT", "DROP", "INDEX", "UPDATE"])
def test_a_privilege_that_is_missing_at_the_start_is_named(
    database_url: str, limit: Limit, missing: str
) -> None:
    limit(", ".join(each for each in PRIVILEGES.split(", ") if each != missing))
    with pytest.raises(ConfigurationError) as caught:
        open_database(database_url)
    name = urlsplit(database_url).username
    assert f"{missing} command denied" in str(caught.value)
    assert f"GRANT {PRIVILEGES} ON `{name}`.* TO '{name}'@'%'" in str(caught.value)


def test_a_privilege_that_is_missing_later_is_reported_to_operators_and_may_be_granted(
    database_url: str, limit: Limit
) -> None:
    open_database(database_url).close()
    limit("SELECT, UPDATE, DELETE")
    with closing(open_database(database_url, pool_size=1)) as database:
        users = UserRepository(database)
        for _ in range(2):
            with pytest.raises(DBConnectionError) as caught:
                users.insert_user(BERT)
        assert str(caught.value) == "Error connecting to the database"
        assert "INSERT command denied" in caught.value.reason
        assert users.list_users() == []
        limit("SELECT, INSERT, UPDATE, DELETE")
        # a connection keeps the privileges that it was opened with
        users.list_users()
        with pytest.raises(DBConnectionError):
            users.insert_user(BERT)
        users.insert_user(BERT)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda url: re.sub(r":\d+/", ":1/", url), "127.0.0.1:1: error 200"),
        (lambda url: url.replace("127.0.0.1", "host.invalid"), "host.invalid:"),
    ],
    ids=["port", "host"],
)
def test_an_unreachable_server_is_named_without_the_password(
    mysql_server: "MySQLServer", database_url: str, spoil: Callable[[str], str], reason: str
) -> None:
    with pytest.raises(DBConnectionError) as caught:
        open_database(spoil(database_url))
    assert str(caught.value) == "Error connecting to the database"
    assert caught.value.explanation.startswith(f"{caught.value}: ")
    assert reason in caught.value.explanation
    assert str(urlsplit(database_url).password) not in caught.value.explanation


def test_a_refused_password_is_reported_with_host_and_code_and_not_repeated(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_database(re.sub(":[^:@]*@", ":wrong-password@", database_url))
    assert f"127.0.0.1:{mysql_server.port}: error 1045" in str(caught.value)
    assert "wrong-password" not in str(caught.value)


def test_an_account_that_is_locked_is_refused(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    name = urlsplit(database_url).username
    with closing(open_database(database_url, pool_size=1)) as database:
        mysql_server.execute(f"ALTER USER '{name}'@'%' ACCOUNT LOCK")
        # the connection that is open stays good
        database.ping()
        with pytest.raises(ConfigurationError, match="refuses this user"):
            open_database(database_url)
        mysql_server.execute(f"ALTER USER '{name}'@'%' ACCOUNT UNLOCK")
    open_database(database_url).close()


def test_a_password_that_has_expired_is_refused(
    mysql_server: "MySQLServer", database_url: str
) -> None:
    name = urlsplit(database_url).username
    mysql_server.execute(f"ALTER USER '{name}'@'%' PASSWORD EXPIRE")
    with pytest.raises(ConfigurationError, match=r"error 18(20|62), the user's password"):
        open_database(database_url)
