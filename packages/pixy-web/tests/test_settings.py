"""The settings: names, defaults, limits, masking, and what is said of a wrong one."""

from pathlib import Path

import pytest

from pixy_core import ConfigurationError
from pixy_web.settings import Settings, variable_name

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a .env file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_are_those_that_users_are_told() -> None:
    shown = Settings.load().shown()
    assert shown["PIXY_DATA_DIR"] == "pixy-data"
    assert shown["PIXY_DATABASE_URL"] == "sqlite:///pixy-data/pixy.sqlite3"
    assert shown["PIXY_GENERATOR"] == "openai"
    assert shown["OPENAI_API_KEY"] == ""
    assert (shown["PIXY_HOST"], shown["PIXY_PORT"], shown["PIXY_WORKERS"]) == (
        "127.0.0.1",
        "8000",
        "1",
    )
    assert shown["PIXY_GENERATION_CONCURRENCY"] == "16"
    assert shown["PIXY_GENERATION_TIMEOUT"] == "180.0"


def test_the_environment_wins_over_the_file_and_arguments_over_both(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_folder / ".env").write_text("PIXY_PORT=1001\nPIXY_HOST=::1\nPIXY_WORKERS=2\n")
    monkeypatch.setenv("PIXY_PORT", "1002")
    monkeypatch.setenv("PIXY_HOST", "127.0.0.2")
    settings = Settings.load(port=1003, host=None)
    assert (settings.workers, settings.host, settings.port) == (2, "127.0.0.2", 1003)


def test_the_sqlite_file_follows_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_DATA_DIR", "/srv/pixy")
    assert Settings.load().shown()["PIXY_DATABASE_URL"] == "sqlite:////srv/pixy/pixy.sqlite3"


@pytest.mark.parametrize("source", ["environment", "file"])
def test_an_unknown_name_is_an_error(
    source: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "file":
        (empty_folder / ".env").write_text("PIXY_PROT=1\nOTHER=2\n")
    else:
        monkeypatch.setenv("PIXY_PROT", "1")
    with pytest.raises(ConfigurationError, match="PIXY_PROT: there is no such setting"):
        Settings.load()


def test_each_wrong_value_is_named_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_PORT", "s3cret")
    monkeypatch.setenv("PIXY_LOG_LEVEL", "LOUD")
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    message = str(caught.value)
    assert "PIXY_PORT: " in message
    assert "PIXY_LOG_LEVEL: " in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("PIXY_MAX_PROMPT_LENGTH", 100, 32_000),
        ("PIXY_MAX_USERNAME_LENGTH", 1, 64),
        ("PIXY_MAX_PASSWORD_LENGTH", 64, 4096),
    ],
)
def test_a_length_out_of_its_range_is_an_error(
    name: str, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for allowed in (least, most):
        monkeypatch.setenv(name, str(allowed))
        assert Settings.load().shown()[name] == str(allowed)
        assert allowed in Settings.load().limits
    for refused in (least - 1, most + 1):
        monkeypatch.setenv(name, str(refused))
        with pytest.raises(ConfigurationError, match=rf"^{name}: .* or equal to ({least}|{most})$"):
            Settings.load()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://pixy:s3cret@db:3306/pixy", "mysql://pixy:********@db:3306/pixy"),
        ("mysql://pixy:s3:cret@db/pixy?passwd=s3cret", "mysql://pixy:********@db/pixy?********"),
        ("mysql://pixy:s3cret@db/pixy?ssl_mode=REQUIRED", "mysql://pixy:********@db/pixy?********"),
        ("mysql://db/pixy?password=s3cret", "********"),
        ("sqlite:////srv/pixy.sqlite3", "sqlite:////srv/pixy.sqlite3"),
    ],
)
def test_secrets_are_masked_and_the_rest_is_shown(
    url: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXY_DATABASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-s3cret")
    settings = Settings.load()
    assert settings.shown()["PIXY_DATABASE_URL"] == shown
    assert settings.shown()["OPENAI_API_KEY"] == "********"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://pixy:s3cret/pixy",
        "mysql://pi/xy:s3cret@db/pixy",
        "mysql://pixy:s3cret#1@db/pixy",
        "mysql://pixy:s3cret?1@db/pixy",
        "mysql://pixy:s3cret@db:99999/pixy",
        "oracle://pixy:s3cret@db/pixy",
    ],
)
def test_a_database_url_that_is_none_is_refused_and_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXY_DATABASE_URL", url)
    with pytest.raises(ConfigurationError, match=r"^PIXY_DATABASE_URL: must be") as caught:
        Settings.load()
    assert "s3cret" not in str(caught.value)


def test_a_password_in_the_providers_url_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:s3cret@gateway/v1")
    assert Settings.load().shown()["OPENAI_BASE_URL"] == "https://user:********@gateway/v1"


def test_a_data_folder_that_would_end_in_a_url_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIXY_DATA_DIR", "what?")
    with pytest.raises(ConfigurationError, match="PIXY_DATA_DIR: must not contain"):
        Settings.load()


def test_a_file_that_is_no_text_is_named(empty_folder: Path) -> None:
    (empty_folder / ".env").write_bytes(b"PIXY_PORT=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env: must be a text file"):
        Settings.load()


def test_what_tests_are_told_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_TEST_MYSQLD", "/usr/sbin/mysqld")
    assert "PIXY_TEST_MYSQLD" not in Settings.load().shown()


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, variable_name(Settings, name)


def test_every_setting_stands_in_the_documentation_with_its_default() -> None:
    text = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
    shown = Settings.load().shown() | {"PIXY_DATABASE_URL": ""}
    for name, field in Settings.model_fields.items():
        variable = variable_name(Settings, name)
        default = f"`{shown[variable]}`" if shown[variable] else ""
        row = f"| `{variable}` | {default} | {field.description} |".replace("|  |", "| |")
        assert row in text
