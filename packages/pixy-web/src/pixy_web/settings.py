"""The settings: names, defaults and limits. The only module that reads the environment."""

import difflib
import os
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote

from dotenv import dotenv_values
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from pixy_core import ConfigurationError
from pixy_core.images import MAX_PROMPT_LENGTH
from pixy_core.users import MAX_NAME_LENGTH
from pixy_core.violations import explain_violation
from pixy_service import (
    BUCKET_FORMS,
    CLIENT_VARIABLES,
    DEFAULT_OPENAI_MODEL,
    MAX_PARTIALS,
    MAX_PIXELS,
    MAX_UPLOAD_SIZE,
    Limits,
    is_bucket_url,
)
from pixy_web.setting_values import Aliases, Hosts, Models, Networks, Origins, is_url, mask

ENV_FILE = ".env"
ENV_FILE_ENCODING = "utf-8-sig"
"""UTF-8; a byte-order mark, which some editors on Windows write, is ignored."""

PREFIX = "PIXY_"
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Variable in which systemd names the folder of `LoadCredential=`."""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable in which prometheus-client's multiprocess mode finds its folder."""

SQLITE = "sqlite:///"
OLD_MODELS = (
    "dall-e-2",
    "dall-e-3",
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "chatgpt-image-latest",
)
"""Models that OpenAI has ended by 2026-12-01."""

TEST_PREFIX = "PIXY_TEST_"
"""Prefix of variables for this project's tests, which a developer may have exported."""

# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_VARIABLE = re.compile(
    r"PIXY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_SERVICE_LINK = (
    "is not a port but the address of a Kubernetes service; set enableServiceLinks: false in "
    "the pod, or rename the service"
)
_MEANINGFUL = re.compile(r"[%?#@]")


_LOCATION = re.compile(r"/(?:[A-Za-z0-9_-]+/)+")


class Settings(BaseSettings):
    """All settings, from `PIXY_…` variables, a `.env` file, or arguments."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding=ENV_FILE_ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    data_dir: Path = Field(
        Path("pixy-data"), description="Folder of the images, and of the SQLite file by default."
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="`mysql://user:password@host:port/name` or `sqlite:///path`. "
        "Default: a SQLite file in the data folder.",
    )
    content: str | None = Field(
        None,
        description="Bucket of the images: `s3://bucket/prefix`, `gs://bucket/prefix` or "
        "`az://container/prefix`. It needs `pixy-web[s3]`. Default: files in the data folder.",
    )
    secrets_dir: Path | None = Field(
        None,
        description="Folder of files that are named like variables, such as `OPENAI_API_KEY`, and "
        "contain their values. Default: `CREDENTIALS_DIRECTORY`, which systemd sets.",
    )
    generator: Literal["openai", "sketch"] = Field(
        "openai", description="The image generator: `openai`, or `sketch`, which draws offline."
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="The key to the OpenAI API."
    )
    openai_base_url: str | None = Field(
        None,
        validation_alias="OPENAI_BASE_URL",
        description="URL of the API. Default: OpenAI's.",
    )
    openai_model: str = Field(DEFAULT_OPENAI_MODEL, description="The image model.")
    openai_further_models: Models = Field(
        (), description="Further models that a request may name, separated by commas."
    )
    generation_concurrency: int = Field(
        16, ge=1, le=256, description="Images made at once, for each worker; more requests get 503."
    )
    provider_places: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Images made at once by all workers and machines of the database together; "
        "more requests get 503. Default: no common limit.",
    )
    generation_timeout: float = Field(
        180.0, gt=0, le=3600, description="Maximum seconds of a generation."
    )
    partial_images: int = Field(
        0,
        ge=0,
        le=MAX_PARTIALS,
        description="Partial images to show while an image is made, 0 to 3; the provider charges "
        "for each.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Number of worker processes.")
    threads: int = Field(
        8,
        ge=1,
        le=128,
        description="Lists, queries and file reads that may run at once, each, for each worker.",
    )
    sign_in_failures: int = Field(
        5,
        ge=1,
        le=100,
        description="Wrong passwords for one user name from one address within "
        "`PIXY_SIGN_IN_PERIOD`; after them, 429.",
    )
    sign_in_address_failures: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Wrong passwords from one address, for all user names together, within "
        "`PIXY_SIGN_IN_PERIOD`; after them, 429. Count those who share an address.",
    )
    sign_in_period: float = Field(
        300.0, gt=0, le=86400, description="Seconds in which wrong passwords are counted."
    )
    allowed_hosts: Hosts = Field(
        (),
        description="Names that a request's `Host` may have, separated by commas; health checks "
        "may have any. Default: any one name.",
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks of the reverse proxies whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed, separated by commas. Default: none.",
    )
    accel_redirect: str | None = Field(
        None,
        description="Prefix of the internal location of nginx that sends image files itself, such "
        "as `/internal/` (`X-Accel-Redirect`). It needs `PIXY_TRUSTED_PROXIES`. Default: off.",
    )
    public_max_age: int = Field(
        60,
        ge=0,
        le=86400,
        description="Seconds for which any cache may keep a public image; an image that is no "
        "longer public may be seen that long.",
    )
    cors_origins: Origins = Field(
        (),
        description="Origins whose pages may use the API (CORS), separated by commas. "
        "Default: none but its own.",
    )
    model_aliases: Aliases = Field(
        OLD_MODELS,
        description="Names of models that `/v1` also takes, separated by commas: `NAME=MODEL`, or "
        "`NAME` alone for the default model. Default: the models that OpenAI has ended.",
    )
    ignore_unknown_parameters: bool = Field(
        False,
        description="Whether `/v1` ignores members of a request that it does not know; otherwise "
        "they are 400.",
    )
    stream_ping: float = Field(
        15.0,
        gt=0,
        le=3600,
        description="Seconds of silence after which a stream of `/v1` sends a comment, so that no "
        "proxy ends it.",
    )
    openapi: bool = Field(
        True, description="Whether `/openapi.json` and the API reference at `/docs` are served."
    )
    http_parser: Literal["httptools", "h11"] = Field(
        "httptools", description="The HTTP parser: `httptools`, or `h11`, in pure Python."
    )
    max_header_size: int = Field(
        16384,
        ge=1024,
        le=1048576,
        description="Maximum bytes of a request's address and header fields; more get 431.",
    )
    max_body_size: int = Field(
        256 * 1024, ge=1024, description="Maximum bytes of a request body; a larger one is refused."
    )
    max_upload_size: int = Field(
        MAX_UPLOAD_SIZE,
        ge=1024,
        le=MAX_UPLOAD_SIZE,
        description="Maximum bytes of an uploaded image; a larger one is refused.",
    )
    max_uploads: int = Field(
        16,
        ge=1,
        le=256,
        description="Uploads received at once, for each worker; more get 503. One user gets half "
        "of them.",
    )
    body_grace: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Seconds after which a request body must have come at 32 KiB a second on "
        "average; a slower one gets 408.",
    )
    max_upload_pixels: int = Field(
        MAX_PIXELS,
        ge=1024,
        le=MAX_PIXELS,
        description="Maximum pixels of an uploaded image; a larger one is refused.",
    )
    max_prompt_length: int = Field(
        MAX_PROMPT_LENGTH,
        ge=100,
        le=MAX_PROMPT_LENGTH,
        description="Maximum characters of a new image's prompt; a longer one is refused.",
    )
    max_username_length: int = Field(
        MAX_NAME_LENGTH,
        ge=1,
        le=MAX_NAME_LENGTH,
        description="Maximum characters of a user name; a longer one is refused.",
    )
    max_password_length: int = Field(
        1024,
        # NIST SP 800-63B-4: at least 64 characters should be allowed
        ge=64,
        le=4096,
        description="Maximum bytes of a password in UTF-8; a longer one can neither be set nor "
        "sign in.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of `/metrics`, for Prometheus; 0 takes a free one. It needs "
        "`pixy-web[metrics]`. Default: off.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of `/metrics`. It asks for no credentials, so only Prometheus should "
        "reach it.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO",
        description="Lowest level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Format of the log: `text`, or `json`, one object a line."
    )
    tracing: bool = Field(
        False,
        description="Whether traces are sent to an OpenTelemetry collector, which `OTEL_…` "
        "variables name. It needs `pixy-web[otel]`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_database_to_data_folder(cls, values: dict[str, Any]) -> dict[str, Any]:
        if not values.get("database_url"):
            folder = Path(values.get("data_dir") or cls.model_fields["data_dir"].default)
            values["database_url"] = sqlite_url(folder / "pixy.sqlite3")
        return values

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, secret: SecretStr) -> SecretStr:
        url = secret.get_secret_value()
        if not url.startswith((SQLITE, "mysql://")):
            raise ValueError(f"must begin with {SQLITE} or mysql://")
        if not is_url(url):
            raise ValueError("must be a URL, with what has a meaning in one percent-encoded")
        if url.startswith(f"{SQLITE}~"):
            return SecretStr(sqlite_url(_expand(Path(unquote(url.removeprefix(SQLITE))))))
        return secret

    @field_validator("accel_redirect")
    @classmethod
    def _check_accel_redirect(cls, prefix: str | None, info: ValidationInfo) -> str | None:
        if prefix is None:
            return None
        if _LOCATION.fullmatch(prefix) is None:
            raise ValueError("must be a path that begins and ends with a slash, such as /internal/")
        if info.data.get("content"):
            raise ValueError("does not go with PIXY_CONTENT: nginx has no files to send")
        if not info.data.get("trusted_proxies"):
            raise ValueError("needs PIXY_TRUSTED_PROXIES: only nginx can send the files")
        return prefix

    @field_validator("content")
    @classmethod
    def _check_content(cls, url: str | None) -> str | None:
        if url is not None and not is_bucket_url(url):
            raise ValueError(f"must be {BUCKET_FORMS}, of letters, digits and . _ ~ -")
        return url

    @field_validator("secrets_dir")
    @classmethod
    def _check_secrets_dir(cls, folder: Path | None) -> Path | None:
        if folder is not None and not _is_folder(folder):
            raise ValueError("must be a folder")
        return folder

    @field_validator("data_dir")
    @classmethod
    def _expand_data_dir(cls, folder: Path) -> Path:
        return _expand(folder)

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Read the settings from the environment, `.env` and the folder of secrets.

        Args:
            overrides: Settings by field name that take precedence over all; None: not given.

        Raises:
            ConfigurationError: Settings are unknown or invalid; the message names each.
        """
        given = _read_variables()
        secrets = _find_secrets(given)
        _refuse_unknown_names(cls, given | _list_secrets(secrets))
        values = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(_secrets_dir=secrets, **values)  # type: ignore[arg-type]
        except SettingsError as error:
            raise ConfigurationError(f"{secrets}: can't be read: {error.__cause__}") from error
        except ValidationError as error:
            raise ConfigurationError(
                "\n".join(_describe(cls, problem) for problem in error.errors())
            ) from error

    @property
    def limits(self) -> Limits:
        """Maximum sizes of caller input."""
        return Limits(
            self.max_prompt_length,
            self.max_username_length,
            self.max_password_length,
            self.max_upload_size,
            self.max_upload_pixels,
        )

    def masked(self) -> dict[str, str]:
        """Return each variable's name and effective value, with secrets masked."""
        return {
            variable_name(type(self), field): mask(getattr(self, field))
            for field in type(self).model_fields
        }


def read_client_environment() -> dict[str, str]:
    """Return the environment variables that the provider's client reads."""
    return {name: value for name, value in os.environ.items() if name.upper() in CLIENT_VARIABLES}


def name_metrics_folder(folder: Path) -> None:
    """Tell the library for metrics, here and in workers, where processes count."""
    os.environ[METRICS_FOLDER] = str(folder)


def find_metrics_folder() -> Path | None:
    """Return where this process counts for the metrics; None if nobody has said so."""
    folder = os.environ.get(METRICS_FOLDER)
    return Path(folder) if folder else None


def variable_name(settings: type[Settings], field: str) -> str:
    """Return the environment variable that sets a field of `settings`."""
    alias = settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def sqlite_url(path: Path) -> str:
    """Return the database URL of a SQLite file, with special characters percent-encoded."""
    return SQLITE + _MEANINGFUL.sub(lambda match: f"%{ord(match[0]):02X}", str(path))


def _expand(path: Path) -> Path:
    """Return a path with the home folder in place of a leading `~`."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("must begin with a home folder that exists, or without ~") from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long, or with a null
        return False


def _refuse_unknown_names(settings: type[Settings], given: dict[str, str]) -> None:
    # pydantic-settings ignores unknown names at the top level, even with extra="forbid"
    known = {variable_name(settings, field) for field in settings.model_fields}
    problems = []
    for name, value in sorted(given.items()):
        is_kubernetes = _is_from_kubernetes(name, value)
        if name in known and is_kubernetes:
            problems.append(f"{name}: {_SERVICE_LINK}")
        elif name.startswith(PREFIX) and not (
            name in known or is_kubernetes or name.startswith(TEST_PREFIX)
        ):
            nearest = difflib.get_close_matches(name, known, n=1)
            advice = f"did you mean {nearest[0]}?" if nearest else "remove it"
            problems.append(f"{name}: there is no such setting; {advice}")
    if problems:
        raise ConfigurationError("\n".join(problems))


def _read_variables() -> dict[str, str]:
    return {name.upper(): value or "" for name, value in {**_read_file(), **os.environ}.items()}


def _find_secrets(given: dict[str, str]) -> Path | None:
    """Return the folder of secrets, if it is there."""
    folder = given.get(f"{PREFIX}SECRETS_DIR") or given.get(CREDENTIALS)
    return Path(folder) if folder and _is_folder(Path(folder)) else None


def _list_secrets(folder: Path | None) -> dict[str, str]:
    """Return the names of the files of secrets; their values don't matter here."""
    try:
        return {path.name.upper(): "" for path in folder.iterdir()} if folder else {}
    except OSError as error:
        raise ConfigurationError(f"{folder}: can't be read: {error.strerror}") from error


def _read_file() -> dict[str, str | None]:
    try:
        return dotenv_values(ENV_FILE, encoding=ENV_FILE_ENCODING)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{ENV_FILE}: must be a text file in UTF-8") from error
    except OSError as error:
        raise ConfigurationError(f"{ENV_FILE}: can't be read: {error.strerror}") from error


def _is_from_kubernetes(name: str, value: str) -> bool:
    """Return whether Kubernetes set this variable to announce a service."""
    return _SERVICE_VARIABLE.fullmatch(name) is not None or (
        name.endswith("_PORT") and _SERVICE_ADDRESS.match(value) is not None
    )


def _describe(settings: type[Settings], problem: Any) -> str:
    field = str(problem["loc"][0]) if problem["loc"] else ""
    name = variable_name(settings, field) if field in settings.model_fields else field
    return f"{name}: {explain_violation(problem)}"
