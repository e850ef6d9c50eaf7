"""What may be shown of a setting: never a secret, nor a password within a URL."""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr

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
    """Return a URL without its password and query; nothing of one that can't be told apart."""
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
