"""The commands `pixy key`."""

import re
import sqlite3
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from new_users import add_users
from pixy_core import Scope
from pixy_service import KeyCredentials, open_keys

Run = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = re.compile(r"pixy_([A-Za-z0-9]{10})_[A-Za-z0-9]{43}\n")


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/pixy-data/pixy.sqlite3"
    add_users(url, "a password", {"ada": "maths", "bob": "maths"})
    return url


@pytest.fixture
def run(run_here: Run) -> Run:
    """Run `pixy key` in a folder."""
    return partial(run_here, "key")


def test_an_added_key_is_all_of_standard_output_and_works(run: Run, url: str) -> None:
    added = run("add", "night job", "--user", "ada", "--scope", "create", "--scope", "read")
    assert added.returncode == 0, added.stderr
    match = TOKEN.fullmatch(added.stdout)
    assert match
    assert added.stderr.splitlines()[-1] == f"Made the key {match[1]} of ada:"
    with open_keys(url) as keys:
        for scope in (Scope.READ, Scope.CREATE):
            assert keys.recall(KeyCredentials(match[0].strip(), scope)).username == "ada"


def test_a_key_may_only_read_and_does_not_expire_unless_more_is_asked_for(
    run: Run, url: str
) -> None:
    run("add", "one", "--user", "ada")
    run("add", "two", "--user", "ada", "--days", "30", "--scope", "change", "--scope", "change")
    with open_keys(url) as keys:
        two, one = keys.list_keys("ada")
    assert (one.scopes, one.expires_at) == ((Scope.READ,), None)
    assert two.scopes == (Scope.CHANGE,)
    assert two.expires_at is not None
    assert (two.expires_at - two.created_at).days == 30


def test_keys_are_listed_without_the_keys(run: Run, url: str, tmp_path: Path) -> None:
    token = run("add", "laptop", "--user", "ada", "--scope", "read").stdout.strip()
    run("add", "n8n", "--user", "bob", "--days", "9")
    lines = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert [line[1:4] for line in lines] == [["ada", "laptop", "read"], ["bob", "n8n", "read"]]
    assert lines[0][0] == token.split("_")[1]
    assert lines[0][4:] == ["valid", "never used"]
    assert re.fullmatch(r"expires 20\d\d-\d\d-\d\dT\d\d:\d\dZ", lines[1][4])
    only = run("list", "--user", "bob").stdout
    assert only.count("\n") == 1
    assert "pixy_" not in only
    with sqlite3.connect(tmp_path / "pixy-data/pixy.sqlite3") as connection:
        past = "2026-01-02 03:04:05.000000"
        connection.execute("UPDATE api_keys SET expires_at = ?, last_used_at = ?", [past, past])
    connection.close()
    assert "\texpired 2026-01-02T03:04Z\t2026-01-02T03:04Z\n" in run("list").stdout


def test_a_revoked_key_is_refused_and_stays_in_the_list(run: Run, url: str) -> None:
    token = run("add", "laptop", "--user", "ada").stdout.strip()
    key_id = token.split("_")[1]
    revoked = run("revoke", key_id)
    assert (revoked.returncode, revoked.stdout) == (0, f"Revoked {key_id}.\n")
    assert re.search(rf"^{key_id}\tada\tlaptop\tread\trevoked 20.*", run("list").stdout)
    again = run("revoke", key_id)
    assert (again.returncode, again.stdout) == (1, "")
    assert f"there is no valid key {key_id}" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("add", "laptop", "--user", "nobody"), 1, "there is no user nobody"),
        (("add", "laptop"), 2, "--user"),
        (("add", " ", "--user", "ada"), 2, "name: must not begin or end with white space"),
        (("add", "laptop", "--user", "a:b"), 2, "username: "),
        (("add", "laptop", "--user", "ada", "--scope", "admin"), 2, "admin"),
        (("add", "laptop", "--user", "ada", "--days", "0"), 2, "--days"),
        (("revoke", "x"), 2, "id: "),
        (("revoke", "0" * 10), 1, "there is no valid key 0000000000"),
    ],
)
def test_a_failure_is_told_in_a_line_with_its_exit_code(
    run: Run, url: str, arguments: tuple[str, ...], code: int, message: str
) -> None:
    failed = run(*arguments)
    assert (failed.returncode, failed.stdout) == (code, "")
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    "arguments", [("list",), ("add", "laptop", "--user", "ada"), ("revoke", "0" * 10)]
)
def test_no_database_is_made_by_mistake(
    run: Run, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    failed = run(*arguments)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert f"There is no database {tmp_path}/pixy-data/pixy.sqlite3" in failed.stderr
    assert list(tmp_path.iterdir()) == []
