"""Settings that are lists, and what may be shown of a setting: no secret, no password in a URL."""

import ipaddress
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_ORIGIN = re.compile(rf"https?://({_HOST.pattern})(:[0-9]{{1,5}})?")


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


# NoDecode: pydantic-settings would read JSON
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_hosts)]
Networks = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_networks)
]
Origins = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_check_origins)
]

MASK = "********"

_NO_SCHEME = re.compile(r"[^/]*:[^/]*@")
"""A URL with a password whose `https://` was left out."""


def mask(value: object) -> str:
    """Return what may be shown of the value of a setting.

    Args:
        value: A secret, a tuple of texts, or anything else; a URL is one by its `://`.
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
    """Return whether a URL's parts are where they seem to be: no stray @ and a possible port.

    Args:
        text: What is meant to be one.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return "@" not in parts.path + parts.query + parts.fragment
