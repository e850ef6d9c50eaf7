"""The command `pixy`, run as a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `pixy` in an empty folder; returns the process with its output."""

    def run_pixy(
        *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "pixy"), *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_pixy


def test_version_is_the_packages(run: Run) -> None:
    assert run("--version").stdout.strip() == f"pixy, version {version('pixy-web')}"


def test_a_user_is_added_listed_disabled_enabled_and_given_a_password(run: Run) -> None:
    added = run(
        "user", "add", "ada", "--class-key", "maths", "--password-stdin", stdin="a password\n"
    )
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
def test_a_failure_is_told_in_a_line_with_its_exit_code(
    run: Run, arguments: tuple[str, ...], stdin: str, code: int, message: str
) -> None:
    failed = run(*arguments, stdin=stdin)
    assert (failed.returncode, failed.stdout) == (code, "")
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_user_can_be_added_once(run: Run) -> None:
    arguments = ("user", "add", "ada", "--class-key", "k", "--password-stdin")
    assert run(*arguments, stdin="a password\n").returncode == 0
    again = run(*arguments, stdin="a password\n")
    assert (again.returncode, again.stderr) == (1, "Error: there is a user ada already\n")


def test_the_limits_of_new_credentials_are_settings(run: Run) -> None:
    add = ("user", "add", "adam", "--class-key", "k", "--password-stdin")
    failed = run(*add, stdin="a password\n", PIXY_MAX_USERNAME_LENGTH="3")
    assert failed.returncode == 2
    assert failed.stderr == "pixy: username: must have at most 3 characters\n"
    failed = run(*add, stdin="x" * 65, PIXY_MAX_PASSWORD_LENGTH="64")
    assert failed.returncode == 2
    assert "at most 64 bytes" in failed.stderr


def test_the_database_is_upgraded_as_often_as_asked(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("db", "upgrade").returncode == 0
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
