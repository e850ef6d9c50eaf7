"""Settings that are lists, and hiding secrets and passwords in settings that are shown."""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from pixy_core.images import MAX_MODEL_LENGTH

_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(rf"https?://({_HOST.pattern})(:[0-9]{{1,5}})?")

_ALIAS = re.compile(r"[!-+\--<>-~]{1,255}(=[!-+\--<>-~]{1,255})?")
"""Printable ASCII without a comma, a space and a second equals sign."""


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in hosts)
    if not all(_HOST.fullmatch(host) for host in hosts):
        raise ValueError("must be host names, without ports, separated by commas")
    return hosts


def _check_networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for network in networks:
            ipaddress.ip_network(network)
    except ValueError as error:
        raise ValueError("must be IP addresses or networks, separated by commas") from error
    return networks


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError(
            "must be origins such as https://example.org, in lower case, separated by commas"
        )
    return origins


def _check_aliases(aliases: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_ALIAS.fullmatch(alias) for alias in aliases):
        raise ValueError(
            "must be names, or pairs such as dall-e-3=gpt-image-2, with commas between"
        )
    return aliases


def parse_aliases(aliases: tuple[str, ...]) -> dict[str, str | None]:
    """Return the models that aliases stand for; None is the default model.

    Args:
        aliases: `name` or `name=model`.
    """
    pairs = (alias.partition("=") for alias in aliases)
    return {name: model or None for name, _, model in pairs}


def _check_models(models: tuple[str, ...]) -> tuple[str, ...]:
    if not all(model.isprintable() and len(model) <= MAX_MODEL_LENGTH for model in models):
        raise ValueError(
            f"must be names of at most {MAX_MODEL_LENGTH} characters, separated by commas"
        )
    return models


# NoDecode: pydantic-settings would read JSON
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_hosts)]
Networks = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_networks)
]
Aliases = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_aliases)
]
Origins = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_origins)
]
Models = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_models)
]

MASK = "********"

_NO_SCHEME = re.compile(r"[^/]*:[^/]*@")
"""A URL with a password but without a scheme."""


def mask(value: object) -> str:
    """Return the value of a setting as it may be shown.

    Args:
        value: A secret, a tuple of strings, or anything else; a string with `://` is a URL.
    """
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if "://" in text:
        return _mask_url(text)
    is_secret = isinstance(value, SecretStr) or (isinstance(value, str) and _NO_SCHEME.match(text))
    return MASK if is_secret else text


def _mask_url(url: str) -> str:
    """Return a URL without password and query, or only the mask if it is ambiguous."""
    if url.startswith("sqlite:///"):
        return url.partition("?")[0]
    parts = urlsplit(url) if is_url(url) else None
    if parts is None or (parts.scheme == "mysql" and "@" not in parts.netloc):
        return MASK
    user, at, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0] + f":{MASK}" if at else ""
    query = f"?{MASK}" if parts.query else ""
    return f"{parts.scheme}://{name}{at}{host}{parts.path}{query}"


def is_url(text: str) -> bool:
    """Return whether a URL is unambiguous: no stray @, and a valid port.

    Args:
        text: The URL.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return "@" not in parts.path + parts.query + parts.fragment
