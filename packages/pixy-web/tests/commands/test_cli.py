"""The command `pixy`: users, settings, and what it says about failures."""

import os
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import argon2
import pytest

from new_databases import create_tables
from new_users import add_users
from pixy_service import open_users
from provider import Provider
from provider_answers import Answer
from terminal import PIXY, Terminal

Run = Callable[..., subprocess.CompletedProcess[str]]


ADD = ("user", "add", "ada", "--class-key", "maths")


@pytest.fixture
def run(run_here: Run) -> Run:
    """Run `pixy` in an empty folder, and return the process with its output."""
    return run_here


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The URL of a new database, which is where `run` looks for one."""
    url = f"sqlite:///{tmp_path}/pixy-data/pixy.sqlite3"
    create_tables(url)
    return url


@pytest.fixture
def run_on_new(run: Run, database: str) -> Run:
    """Run `pixy` like `run`, on a new database."""
    return run


def test_the_installed_command_has_the_version_of_the_package_and_reaches_its_database(
    tmp_path: Path,
) -> None:
    for arguments, output in (
        (["--version"], f"pixy, version {version('pixy-web')}\n"),
        (["db", "upgrade"], "The database is up to date: /"),
    ):
        told = subprocess.run(
            [PIXY, *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.startswith(output)
        assert told.stderr == ""
    assert (tmp_path / "pixy-data" / "pixy.sqlite3").is_file()


def test_without_a_terminal_the_option_for_a_password_is_named(run: Run) -> None:
    failed = run(*ADD, "--create")
    assert failed.returncode == 2
    assert "use --password-stdin" in failed.stderr
    assert "Warning" not in failed.stderr


def test_an_error_of_the_system_is_reported_in_one_line(tmp_path: Path) -> None:
    for script, reason in (
        ('exec "$0" --help >/dev/full', "No space left on device"),
        ('mkdir gone; cd gone; rmdir ../gone; exec "$0" db upgrade', "No such file or directory"),
    ):
        failed = subprocess.run(
            ["sh", "-c", script, PIXY], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (failed.returncode, failed.stderr) == (1, f"pixy: {reason}\n")


def test_a_user_is_added_listed_disabled_enabled_and_given_a_password(run_on_new: Run) -> None:
    run = run_on_new
    added = run(*ADD, "--password-stdin", stdin="a password\n")
    assert (added.returncode, added.stdout) == (0, "Added ada, of class maths.\n")
    assert run("user", "list").stdout == "ada\tmaths\tenabled\n"
    assert run("user", "disable", "ada").returncode == 0
    assert run("user", "list").stdout == "ada\tmaths\tdisabled\n"
    assert run("user", "enable", "ada").returncode == 0
    assert run("user", "list").stdout == "ada\tmaths\tenabled\n"
    changed = run("user", "password", "ada", "--password-stdin", stdin="another password\n")
    assert (changed.returncode, changed.stdout) == (0, "Changed the password of ada.\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (("user", "disable", "nobody"), "", 1, "there is no user nobody"),
        (("user", "password", "nobody", "--password-stdin"), "a password\n", 1, "no user nobody"),
        (
            ("user", "add", "a:b", "--class-key", "k", "--password-stdin"),
            "a password\n",
            2,
            "colon",
        ),
        (("user", "add", "a", "--class-key", "k", "--password-stdin"), "short\n", 2, "password"),
        (("user", "add", "a", "--password-stdin"), "a password\n", 2, "--class-key"),
        (("frobnicate",), "", 2, "frobnicate"),
    ],
)
def test_a_failure_is_reported_in_one_line_with_its_exit_code(
    run_on_new: Run, arguments: tuple[str, ...], stdin: str, code: int, message: str
) -> None:
    failed = run_on_new(*arguments, stdin=stdin)
    assert (failed.returncode, failed.stdout) == (code, "")
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_user_can_t_be_added_twice(run_on_new: Run) -> None:
    add = (*ADD, "--password-stdin")
    assert run_on_new(*add, stdin="a password\n").returncode == 0
    again = run_on_new(*add, stdin="a password\n")
    assert again.returncode == 1
    assert again.stderr.splitlines()[1:] == ["Error: there is a user ada already"]


def test_the_limits_of_new_credentials_are_settings(run_on_new: Run) -> None:
    add = ("user", "add", "adam", "--class-key", "k", "--password-stdin")
    failed = run_on_new(*add, stdin="a password\n", PIXY_MAX_USERNAME_LENGTH="3")
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[1:] == ["pixy: username: must have at most 3 characters"]
    failed = run_on_new(*add, stdin="x" * 65, PIXY_MAX_PASSWORD_LENGTH="64")
    assert failed.returncode == 2
    assert "at most 64 bytes" in failed.stderr


def test_each_command_about_users_says_which_database_it_uses(
    run_on_new: Run, tmp_path: Path
) -> None:
    listed = run_on_new("user", "list")
    assert listed.stderr == f"Database: {tmp_path}/pixy-data/pixy.sqlite3\n"


def test_a_name_and_password_of_a_server_are_not_shown(run: Run) -> None:
    failed = run("user", "list", PIXY_DATABASE_URL="mysql://joe:s3cret@127.0.0.1:9/pixy")
    assert failed.stderr.splitlines()[0] == "Database: pixy at 127.0.0.1:9"
    assert "s3cret" not in failed.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "list"),
        ("user", "disable", "ada"),
        ("user", "enable", "ada"),
        ("user", "password", "ada", "--password-stdin"),
        (*ADD, "--password-stdin"),
    ],
)
def test_no_database_is_created_by_mistake(
    run: Run, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    failed = run(*arguments, stdin="a password\n")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert f"There is no database {tmp_path}/pixy-data/pixy.sqlite3" in failed.stderr
    assert "PIXY_DATA_DIR" in failed.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_check_creates_no_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pixy-data" / "images").mkdir(parents=True)
    failed = run("check")
    assert failed.returncode == 2
    assert f"There is no database {tmp_path}/pixy-data/pixy.sqlite3" in failed.stderr
    assert not (tmp_path / "pixy-data" / "pixy.sqlite3").exists()


def test_the_option_create_creates_the_database(run: Run) -> None:
    added = run(*ADD, "--create", "--password-stdin", stdin="a password\n")
    assert (added.returncode, added.stdout) == (0, "Added ada, of class maths.\n")
    assert run("user", "list").stdout == "ada\tmaths\tenabled\n"


def test_at_a_terminal_it_asks_before_it_creates_a_database(tmp_path: Path, run: Run) -> None:
    with Terminal(tmp_path, *ADD) as terminal:
        terminal.read_until("Create it? [y/N]")
        terminal.write("n\n")
        assert terminal.wait() == 1
    assert list(tmp_path.iterdir()) == []
    with Terminal(tmp_path, *ADD) as terminal:
        terminal.read_until("Create it? [y/N]")
        terminal.write("y\n")
        for question in ("Password:", "Repeat for confirmation:"):
            terminal.read_until(question)
            terminal.write_hidden("a password\n")
        assert terminal.wait() == 0
    assert run("user", "list").stdout == "ada\tmaths\tenabled\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("user", "password", "nobody"), "there is no user nobody"),
        (("user", "password", "no:body"), "username: "),
        (ADD, "there is a user ada already"),
        (("user", "add", "a:b", "--class-key", "k"), "username: "),
        (("user", "add", "bob", "--class-key", ""), "class_key: "),
    ],
)
def test_errors_are_reported_before_a_password_is_asked_for(
    run: Run, database: str, arguments: tuple[str, ...], message: str
) -> None:
    add_users(database, "a password", {"ada": "maths"})
    failed = run(*arguments)
    assert message in failed.stderr
    assert failed.returncode in (1, 2)
    # this is told, without a terminal, when it asks
    assert "--password-stdin" not in failed.stderr


def test_a_byte_order_mark_is_not_part_of_a_password(run: Run, database: str) -> None:
    run(*ADD, "--password-stdin", stdin="\ufeffa password\r\n")
    with open_users(database) as users:
        stored = users.authenticate_user("ada").password
    assert argon2.PasswordHasher().verify(stored, "a password")


def test_a_password_that_is_not_utf_8_is_refused(run_on_new: Run) -> None:
    failed = run_on_new(*ADD, "--password-stdin", stdin=b"a pass\xffword\n")
    assert failed.returncode == 2
    assert "not UTF-8" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("folder", ("serve",)),
        ("fifo", ("serve",)),
        ("/dev/null", ("serve",)),
        ("folder", ("db", "upgrade")),
        ("folder", ("user", "list")),
    ],
)
def test_a_database_path_that_is_not_a_regular_file_is_refused(
    run: Run, path: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    failed = run(*arguments, PIXY_GENERATOR="sketch", PIXY_DATABASE_URL=f"sqlite:///{path}")
    assert failed.returncode == 2
    assert f"{path} is not a file" in failed.stderr.splitlines()[-1]
    assert "PIXY_DATABASE_URL" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr


def test_the_database_can_be_upgraded_twice(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        upgraded = run("db", "upgrade")
        assert upgraded.returncode == 0
        assert f"{tmp_path}/pixy-data/pixy.sqlite3" in upgraded.stdout
    assert (tmp_path / "pixy-data" / "pixy.sqlite3").is_file()


def test_config_shows_the_settings_and_masks_secrets(run: Run) -> None:
    shown = run("config", OPENAI_API_KEY="sk-s3cret", PIXY_PORT="1234")
    assert "PIXY_PORT=1234\n" in shown.stdout
    assert "OPENAI_API_KEY=********\n" in shown.stdout
    assert "s3cret" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "OPENAI_API_KEY"),
        ({"PIXY_GENERATOR": "magic"}, "PIXY_GENERATOR"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_PORT": "nine"}, "PIXY_PORT"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_TYPO": "1"}, "PIXY_TYPO"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_DATABASE_URL": "oracle://x"}, "PIXY_DATABASE_URL"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_DATA_DIR": "/dev/null/x"}, "PIXY_DATA_DIR"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_HOST": "192.0.2.1"}, "PIXY_HOST"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_HOST": "no host"}, "PIXY_HOST"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_HOST": "a..b"}, "PIXY_HOST"),
        ({"PIXY_GENERATOR": "sketch", "PIXY_LOG_LEVEL": "info"}, "PIXY_LOG_LEVEL"),
    ],
    ids=str,
)
def test_a_server_that_can_not_start_names_the_setting(
    run: Run, environment: dict[str, str], message: str
) -> None:
    failed = run("serve", **environment)
    assert failed.returncode == 2
    assert message in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr


def test_a_model_that_the_provider_has_shut_down_is_refused_with_the_line_to_change(
    run: Run, provider: Provider
) -> None:
    models = [
        {"id": "gpt-image-1.5", "shutdown_date": "2001-01-01"},
        {"id": "gpt-image-3-flare", "shutdown_date": None},
    ]
    provider.models = Answer(200, {"object": "list", "data": models})
    failed = run(
        "serve",
        "--port=0",
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=provider.base_url,
        PIXY_OPENAI_MODEL="gpt-image-1.5",
    )
    assert failed.returncode == 2
    assert failed.stderr.splitlines()[-1] == (
        "pixy: The model gpt-image-1.5 was shut down on 2001-01-01: "
        "set PIXY_OPENAI_MODEL=gpt-image-3-flare"
    )
    assert "Traceback" not in failed.stderr
    assert provider.paid_requests == 0
