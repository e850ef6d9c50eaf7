"""The settings: names, defaults, limits, masking and error messages."""

import re
from pathlib import Path

import pytest

from pixy_core import ConfigurationError
from pixy_service import upgrade_database
from pixy_web.settings import Settings, variable_name

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a .env file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_are_those_in_the_documentation() -> None:
    shown = Settings.load().masked()
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


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder of secrets with two files."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "OPENAI_API_KEY").write_text("sk-of-a-file\n")
    (folder / "pixy_database_url").write_text("mysql://pixy:s3cret@db/pixy\n")
    (folder / "mysql-password").write_text("other")
    return folder


@pytest.mark.parametrize("name", ["PIXY_SECRETS_DIR", "CREDENTIALS_DIRECTORY"])
def test_a_file_of_secrets_is_a_setting(
    name: str, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(secrets))
    settings = Settings.load()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-of-a-file"
    assert settings.database_url.get_secret_value() == "mysql://pixy:s3cret@db/pixy"


def test_the_folder_of_secrets_may_be_named_in_the_file(secrets: Path, empty_folder: Path) -> None:
    (empty_folder / ".env").write_text(f"PIXY_SECRETS_DIR={secrets}\nOPENAI_API_KEY=sk-first\n")
    settings = Settings.load()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-first"
    assert settings.masked()["PIXY_DATABASE_URL"] == "mysql://pixy:********@db/pixy"


def test_an_unknown_file_of_secrets_is_an_error(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXY_SECRETS_DIR", str(secrets))
    (secrets / "PIXY_DATABSE_URL").touch()
    with pytest.raises(ConfigurationError, match=r"mean PIXY_DATABASE_URL\?"):
        Settings.load()


def test_a_secret_that_is_no_readable_file_is_an_error(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXY_SECRETS_DIR", str(secrets))
    (secrets / "OPENAI_API_KEY").write_bytes(b"sk-\xff")
    with pytest.raises(ConfigurationError, match="can't be read"):
        Settings.load()


def test_a_folder_of_secrets_that_is_missing_is_an_error_unless_systemd_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/nowhere")
    assert Settings.load().openai_api_key is None
    monkeypatch.setenv("PIXY_SECRETS_DIR", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"^PIXY_SECRETS_DIR: must be a folder$"):
        Settings.load()


def test_the_sqlite_file_follows_the_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_DATA_DIR", "/srv/pixy")
    assert Settings.load().masked()["PIXY_DATABASE_URL"] == "sqlite:////srv/pixy/pixy.sqlite3"


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


@pytest.mark.parametrize("value", ["nonsense", "-1", "nan", "1.5", "9" * 5000, "1e999"])
def test_every_wrong_value_is_explained_in_our_words(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for field in Settings.model_fields:
        monkeypatch.setenv(variable_name(Settings, field), value)
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    lines = str(caught.value).splitlines()
    assert len(lines) > 10
    for line in lines:
        assert re.match(r"[A-Z_]+: must (?!match)", line)


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
        assert Settings.load().masked()[name] == str(allowed)
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
    assert settings.masked()["PIXY_DATABASE_URL"] == shown
    assert settings.masked()["OPENAI_API_KEY"] == "********"
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
def test_an_invalid_database_url_is_refused_and_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXY_DATABASE_URL", url)
    with pytest.raises(ConfigurationError, match=r"^PIXY_DATABASE_URL: must be") as caught:
        Settings.load()
    assert "s3cret" not in str(caught.value)


def test_a_password_in_the_providers_url_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:s3cret@gateway/v1")
    assert Settings.load().masked()["OPENAI_BASE_URL"] == "https://user:********@gateway/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", "user:s3cret@gateway/v1")
    assert Settings.load().masked()["OPENAI_BASE_URL"] == "********"


@pytest.mark.parametrize(
    ("folder", "shown"),
    [
        ("/srv/feature%2Fx", "/srv/feature%252Fx"),
        ("/srv/pixy@blue", "/srv/pixy%40blue"),
        ("/srv/a b", "/srv/a b"),
        ("/srv/what?", "/srv/what%3F"),
        ("/srv/what?x=#1", "/srv/what%3Fx=%231"),
        ("/srv/bücher", "/srv/bücher"),
        ("user:secret@host", "user:secret%40host"),
    ],
)
def test_a_data_folder_is_a_path_and_not_a_url(
    folder: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXY_DATA_DIR", folder)
    settings = Settings.load()
    assert settings.masked()["PIXY_DATA_DIR"] == folder
    assert settings.masked()["PIXY_DATABASE_URL"] == f"sqlite:///{shown}/pixy.sqlite3"


@pytest.mark.parametrize("folder", ["feature%2Fx", "pixy@blue", "a b", "what?", "a#b", "bücher"])
def test_the_sqlite_file_is_made_in_the_data_folder(folder: str, empty_folder: Path) -> None:
    settings = Settings.load(data_dir=empty_folder / folder)
    upgrade_database(settings.database_url.get_secret_value())
    assert [path.name for path in empty_folder.iterdir()] == [folder]
    assert (empty_folder / folder / "pixy.sqlite3").is_file()


def test_a_tilde_is_the_home_folder(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(empty_folder))
    monkeypatch.setenv("PIXY_DATA_DIR", "~/pixy")
    shown = Settings.load().masked()
    assert shown["PIXY_DATA_DIR"] == f"{empty_folder}/pixy"
    assert shown["PIXY_DATABASE_URL"] == f"sqlite:///{empty_folder}/pixy/pixy.sqlite3"
    monkeypatch.setenv("PIXY_DATABASE_URL", "sqlite:///~/other%40.sqlite3")
    shown = Settings.load().masked()
    assert shown["PIXY_DATABASE_URL"] == f"sqlite:///{empty_folder}/other%40.sqlite3"


def test_a_home_folder_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_DATA_DIR", "~no-such-user/pixy")
    with pytest.raises(ConfigurationError, match="PIXY_DATA_DIR: must begin with a home folder"):
        Settings.load()


@pytest.mark.parametrize("source", ["environment", "file"])
def test_the_nearest_name_is_suggested(
    source: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == "file":
        (empty_folder / ".env").write_text("PIXY_TREADS=4\n")
    else:
        monkeypatch.setenv("PIXY_TREADS", "4")
    with pytest.raises(
        ConfigurationError,
        match=r"^PIXY_TREADS: there is no such setting; did you mean PIXY_THREADS\?$",
    ):
        Settings.load()


def test_an_unknown_name_without_a_similar_setting_is_to_be_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIXY_ZZZZZZ", "4")
    with pytest.raises(ConfigurationError, match="no such setting; remove it"):
        Settings.load()


@pytest.mark.parametrize("service", ["PIXY_WEB", "PIXY_2", "PIXY"])
def test_variables_of_a_kubernetes_service_are_not_settings(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "SERVICE_HOST": "10.0.0.11",
        "SERVICE_PORT": "8000",
        "SERVICE_PORT_HTTP_ALT": "8000",
        "PORT_8000_TCP": "tcp://10.0.0.11:8000",
        "PORT_8000_TCP_PROTO": "tcp",
        "PORT_8000_TCP_PORT": "8000",
        "PORT_8000_TCP_ADDR": "10.0.0.11",
        "PORT_53_UDP": "udp://10.0.0.11:53",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"{service}_{name}", value)
    if service != "PIXY":
        monkeypatch.setenv(f"{service}_PORT", "tcp://10.0.0.11:8000")
    assert Settings.load().port == 8000


def test_a_port_that_kubernetes_set_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_PORT", "tcp://10.0.0.11:8000")
    for overrides in ({}, {"port": 8000}):
        with pytest.raises(ConfigurationError) as caught:
            Settings.load(**overrides)
        message = str(caught.value)
        assert message.startswith("PIXY_PORT: ")
        assert "enableServiceLinks: false" in message
        assert "\n" not in message


def test_a_port_of_a_service_without_its_scheme_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIXY_WEB_PORT", "8000")
    with pytest.raises(ConfigurationError, match="did you mean PIXY_PORT"):
        Settings.load()


def test_a_byte_order_mark_is_not_part_of_the_first_name(empty_folder: Path) -> None:
    (empty_folder / ".env").write_text("PIXY_PORT=1001\r\nPIXY_WORKERS=2\r\n", "utf-8-sig")
    settings = Settings.load()
    assert (settings.port, settings.workers) == (1001, 2)
    (empty_folder / ".env").write_text("PIXY_PROT=1001\n", "utf-8-sig")
    with pytest.raises(ConfigurationError, match=r"^PIXY_PROT: there is no such setting"):
        Settings.load()


def test_a_file_that_is_not_utf_8_is_named(empty_folder: Path) -> None:
    (empty_folder / ".env").write_bytes(b"PIXY_PORT=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env: must be a text file"):
        Settings.load()


def test_variables_of_the_tests_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIXY_TEST_MYSQLD", "/usr/sbin/mysqld")
    assert "PIXY_TEST_MYSQLD" not in Settings.load().masked()


def test_every_setting_has_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, variable_name(Settings, name)


def test_every_setting_is_in_the_documentation_with_its_default() -> None:
    text = (Path(__file__).parents[3] / "docs/configuration.md").read_text()
    shown = Settings.load().masked() | {"PIXY_DATABASE_URL": ""}
    for name, field in Settings.model_fields.items():
        variable = variable_name(Settings, name)
        default = f"`{shown[variable]}`" if shown[variable] else ""
        row = f"| `{variable}` | {default} | {field.description} |".replace("|  |", "| |")
        assert row in text


@pytest.mark.parametrize("prefix", ["internal", "/internal", "/", "//", "/a b/", "/../"])
def test_the_location_of_nginx_is_a_path(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="PIXY_ACCEL_REDIRECT: must be a path that begins"):
        Settings.load(accel_redirect=prefix, trusted_proxies=("127.0.0.1",))


def test_nginx_sends_files_only_as_a_trusted_proxy() -> None:
    with pytest.raises(ConfigurationError, match="PIXY_ACCEL_REDIRECT: needs PIXY_TRUSTED_PROXIES"):
        Settings.load(accel_redirect="/internal/")
    settings = Settings.load(accel_redirect="/internal/", trusted_proxies=("127.0.0.1",))
    assert settings.accel_redirect == "/internal/"


@pytest.mark.parametrize("url", ["s3://pixy", "s3://pixy/prod/", "gs://a.b/c_d/~e", "az://a-b/.x"])
def test_a_bucket_has_one_of_three_schemes(url: str) -> None:
    assert Settings.load(content=url).content == url


@pytest.mark.parametrize("url", ["pixy", "s3:/pixy", "s3://me:secret@pixy", "s3://pixy/../x"])
def test_what_is_no_bucket_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="PIXY_CONTENT: must be s3://bucket") as caught:
        Settings.load(content=url)
    assert "secret" not in str(caught.value)


def test_nginx_can_not_send_objects() -> None:
    with pytest.raises(ConfigurationError, match="PIXY_ACCEL_REDIRECT: does not go with"):
        Settings.load(
            content="s3://pixy", accel_redirect="/internal/", trusted_proxies=("127.0.0.1",)
        )
