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
from pydantic_settings import BaseSettings, SettingsConfigDict

from pixy_core import ConfigurationError
from pixy_core.images import MAX_PROMPT_LENGTH
from pixy_core.users import MAX_NAME_LENGTH
from pixy_core.violations import explain_violation
from pixy_service import CLIENT_VARIABLES, DEFAULT_OPENAI_MODEL, MAX_PARTIALS, Limits
from pixy_web.setting_values import Hosts, Networks, Origins, is_url, mask

ENV_FILE = ".env"
ENV_FILE_ENCODING = "utf-8-sig"
"""UTF-8, without the byte-order mark that editors on Windows put in front."""

PREFIX = "PIXY_"
SQLITE = "sqlite:///"
TEST_PREFIX = "PIXY_TEST_"
"""Variables for this project's tests, which a developer may have exported."""

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
    """Everything that can be set, from `PIXY_…` variables, a `.env` file, or by argument."""

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
    generator: Literal["openai", "sketch"] = Field(
        "openai", description="What makes images: `openai`, or `sketch` to draw them offline."
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="The key to the OpenAI API."
    )
    openai_base_url: str | None = Field(
        None,
        validation_alias="OPENAI_BASE_URL",
        description="Where the API is, if not at OpenAI itself.",
    )
    openai_model: str = Field(DEFAULT_OPENAI_MODEL, description="The image model to ask for.")
    generation_concurrency: int = Field(
        16, ge=1, le=256, description="Images made at once, for each worker; more are told 503."
    )
    generation_timeout: float = Field(
        180.0, gt=0, le=3600, description="Seconds until a generation is given up."
    )
    partial_images: int = Field(
        0,
        ge=0,
        le=MAX_PARTIALS,
        description="Unfinished pictures to be shown while an image is made, 0 to 3; the "
        "provider charges for each.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that serve.")
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
        "`X-Forwarded-Proto` are believed, separated by commas. Default: nobody's.",
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
    openapi: bool = Field(True, description="Whether `/openapi.json` is served.")
    http_parser: Literal["httptools", "h11"] = Field(
        "httptools", description="What reads requests: `httptools`, or `h11`, in pure Python."
    )
    max_header_size: int = Field(
        16384,
        ge=1024,
        le=1048576,
        description="Bytes of a request's address and header fields; more are 431.",
    )
    max_body_size: int = Field(
        256 * 1024, ge=1024, description="Bytes of a request body; a larger one is refused."
    )
    max_prompt_length: int = Field(
        MAX_PROMPT_LENGTH,
        ge=100,
        le=MAX_PROMPT_LENGTH,
        description="Characters of a new image's prompt; a longer one is refused.",
    )
    max_username_length: int = Field(
        MAX_NAME_LENGTH,
        ge=1,
        le=MAX_NAME_LENGTH,
        description="Characters of a user name; a longer one can neither be added nor sign in.",
    )
    max_password_length: int = Field(
        1024,
        # NIST SP 800-63B-4: at least 64 characters should be allowed
        ge=64,
        le=4096,
        description="Bytes of a password in UTF-8; a longer one can neither be set nor sign in.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO",
        description="Least level that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
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
        if not info.data.get("trusted_proxies"):
            raise ValueError("needs PIXY_TRUSTED_PROXIES: only nginx can send the files")
        return prefix

    @field_validator("data_dir")
    @classmethod
    def _expand_data_dir(cls, folder: Path) -> Path:
        return _expand(folder)

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Read the settings from the environment and `.env`.

        Args:
            overrides: Settings by field name that win over both; None means not given.

        Raises:
            ConfigurationError: A setting is unknown or wrong; its message names each one.
        """
        _refuse_unknown_names(cls)
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            raise ConfigurationError(
                "\n".join(_describe(cls, problem) for problem in error.errors())
            ) from error

    @property
    def limits(self) -> Limits:
        """Maximum lengths of caller input."""
        return Limits(self.max_prompt_length, self.max_username_length, self.max_password_length)

    def masked(self) -> dict[str, str]:
        """Return each variable's name and effective value, with secrets masked."""
        return {
            variable_name(type(self), field): mask(getattr(self, field))
            for field in type(self).model_fields
        }


def read_client_environment() -> dict[str, str]:
    """Return the environment variables that the provider's client reads."""
    return {name: value for name, value in os.environ.items() if name.upper() in CLIENT_VARIABLES}


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


def _refuse_unknown_names(settings: type[Settings]) -> None:
    # pydantic-settings ignores unknown names at the top level, even with extra="forbid"
    known = {variable_name(settings, field) for field in settings.model_fields}
    given = {name.upper(): value or "" for name, value in {**_read_file(), **os.environ}.items()}
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
