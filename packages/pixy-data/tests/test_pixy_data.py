"""Opening a database: reach it, check it, migrate it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixy_core import ConfigurationError, DBConnectionError, SchemaError, User
from pixy_data import (
    Database,
    UserRepository,
    initialise_database,
    locate_database,
    open_database,
    open_existing_database,
)
from pixy_data.database.schema import SCHEMA_REVISION, check_server

# everything is imported first, so that the migrations themselves coincide
OPEN = """
import sys, pixy_data, pixy_data.database.upgrade
print("ready", flush=True)
sys.stdin.readline()
pixy_data.open_database(sys.argv[1]).close()
"""


def open_in_processes(url: str, count: int) -> list[str]:
    """Open a database in several processes at once, and return what they complained of."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", OPEN, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=120)[1] for process in processes]


def test_a_new_database_is_ready_for_use(database: Database) -> None:
    assert database.initialised
    assert UserRepository(database).list_users() == []


def test_opening_again_keeps_what_is_stored(
    database: Database, database_url: str, anna: User
) -> None:
    again = open_database(database_url)
    assert UserRepository(again).authenticate_user("anna") == anna
    again.close()


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    assert open_in_processes(database_url, 4) == [""] * 4
    database = open_database(database_url)
    assert database.fetch_all("SELECT version_num FROM alembic_version", {}) == [(SCHEMA_REVISION,)]
    names = database.fetch_all("SELECT name FROM secrets ORDER BY name", {})
    assert names == [("cursor",), ("sign_in",)]
    database.close()


def test_a_migration_that_was_killed_half_way_is_done_again(
    database: Database, database_url: str, anna: User
) -> None:
    database.execute("DROP TABLE secrets", {})
    database.execute("DELETE FROM alembic_version", {})
    again = open_database(database_url)
    assert len(again.secret("cursor")) == 32
    assert UserRepository(again).authenticate_user("anna") == anna
    again.close()


def make_newer(database: Database, *rows: tuple[str, str]) -> None:
    """Give the tables revision 9999, and the rows that newer migrations added."""
    database.execute("UPDATE alembic_version SET version_num = '9999'", {})
    for revision, oldest in rows:
        database.execute(
            "INSERT INTO compatible_versions VALUES (:revision, :oldest)",
            {"revision": revision, "oldest": oldest},
        )


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("9999", "9998")],
        # what an earlier migration ended stays ended
        [("9998", "9998"), ("9999", SCHEMA_REVISION)],
        # the newest migration says nothing
        [("9998", SCHEMA_REVISION)],
    ],
)
def test_newer_tables_are_refused_unless_they_are_for_this_code(
    database: Database, database_url: str, rows: list[tuple[str, str]]
) -> None:
    make_newer(database, *rows)
    with pytest.raises(SchemaError, match="newer version"):
        open_database(database_url)
    with pytest.raises(SchemaError, match="newer version"):
        open_existing_database(database_url)


def test_newer_tables_that_are_for_this_code_are_used_and_stay_as_they_are(
    database: Database, database_url: str, anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    make_newer(database, ("9999", SCHEMA_REVISION))
    caplog.set_level("INFO")
    for open_again in (open_database, open_database, open_existing_database):
        again = open_again(database_url)
        assert UserRepository(again).authenticate_user("anna") == anna
        assert again.fetch_all("SELECT version_num FROM alembic_version", {}) == [("9999",)]
        again.close()
    told = [record for record in caplog.records if "of a newer version" in record.message]
    assert [record.args for record in told] == [("9999", SCHEMA_REVISION)]


def test_older_tables_are_refused_where_nothing_may_be_upgraded(database_url: str) -> None:
    database = Database(database_url)
    for _ in range(2):
        with pytest.raises(SchemaError, match="pixy db upgrade"):
            initialise_database(database, upgrade=False)
    assert locate_database(database_url).is_missing is database.sqlite
    open_database(database_url).close()
    initialise_database(database, upgrade=False)
    database.execute("UPDATE alembic_version SET version_num = '0006'", {})
    with pytest.raises(SchemaError, match="pixy db upgrade"):
        initialise_database(database, upgrade=False)
    assert database.fetch_all("SELECT version_num FROM alembic_version", {}) == [("0006",)]
    database.close()


def test_statements_fail_until_the_database_is_initialised(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(DBConnectionError):
        database.ping()
    with pytest.raises(DBConnectionError):
        UserRepository(database).insert_user(User(username="a", password="-", class_key="c"))
    initialise_database(database)
    database.ping()
    database.close()


def test_a_folder_for_sqlite_is_made(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/a/b/pixy.db").close()
    assert (tmp_path / "a" / "b" / "pixy.db").is_file()


def test_a_sqlite_file_whose_folder_is_not_there_yet_is_a_connection_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DBConnectionError):
        open_database(f"sqlite:///{tmp_path}/file/pixy.db")


def test_a_path_that_can_be_no_sqlite_file_is_a_wrong_setting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(ConfigurationError, match=rf"{path} is not a file"):
            open_database(f"sqlite:///{path}")
    for path in (tmp_path / "loop", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigurationError, match=rf"{path} can't be used"):
            open_database(f"sqlite:///{path}")


@pytest.mark.parametrize("path", ["closed/pixy.db", "closed/new/pixy.db", "unreadable.db"])
def test_a_sqlite_file_that_is_not_permitted_is_a_wrong_setting(tmp_path: Path, path: str) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "unreadable.db").touch(mode=0o400)
    code = (
        "import sys\n"
        "from pixy_core import ConfigurationError\n"
        "from pixy_data import open_database\n"
        "try: open_database('sqlite:///' + sys.argv[1])\n"
        "except ConfigurationError as error: print(error)"
    )
    # root may do everything
    process = subprocess.run(
        [*_without_privileges(), sys.executable, "-c", code, str(tmp_path / path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{tmp_path / path} can't be" in process.stdout


def _without_privileges() -> list[str]:
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def test_a_database_is_located_without_making_it(tmp_path: Path) -> None:
    path = tmp_path / "a@b" / "pixy.db"
    url = f"sqlite:///{tmp_path}/a%40b/pixy.db"
    assert locate_database(url) == (str(path), True)
    assert list(tmp_path.iterdir()) == []
    open_database(url).close()
    assert locate_database(url) == (str(path), False)


def test_a_database_on_a_server_is_located_without_its_password() -> None:
    url = "mysql://joe:s3cret@db.example:3307/pixy?ssl_mode=REQUIRED"
    assert locate_database(url) == ("pixy at db.example:3307", False)


def test_nothing_is_connected_or_made_before_it_is_initialised(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/new/pixy.db").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "version",
    [
        "8.0.11",
        "8.4.3",
        "9.7.4-2",
        "10.6.1-MariaDB-log",
        "10.11.19-MariaDB-0+deb12u1",
        "11.8.2-MariaDB",
    ],
)
def test_a_server_that_is_new_enough_is_taken(version: str) -> None:
    check_server((version, "utf8mb4", "utf8mb4"))


@pytest.mark.parametrize("version", ["5.7.44", "10.5.29-MariaDB", "5.5.5-10.3.39-MariaDB"])
def test_a_server_that_is_too_old_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MySQL 8\.0"):
        check_server((version, "utf8mb4", "utf8mb4"))


def test_a_server_that_overrides_the_character_set_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="skip-character-set-client-handshake"):
        check_server(("9.7.4", "latin1", "latin1"))


def test_a_new_sqlite_file_and_its_folder_are_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "pixy.db"
    database = open_database(f"sqlite:///{file}")
    UserRepository(database).insert_user(User(username="ann", password="hash", class_key="red"))
    modes = {
        path.name: path.stat().st_mode & 0o777 for path in (file.parent, *file.parent.iterdir())
    }
    database.close()
    assert modes == {"data": 0o700, "pixy.db": 0o600, "pixy.db-wal": 0o600, "pixy.db-shm": 0o600}


def test_a_file_that_is_no_database_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "pixy.db"
    file.write_bytes(b"this is a letter to my aunt, and no database at all" * 20)
    with pytest.raises(ConfigurationError, match="no SQLite database"):
        open_database(f"sqlite:///{file}")
    assert file.read_bytes().startswith(b"this is a letter")
