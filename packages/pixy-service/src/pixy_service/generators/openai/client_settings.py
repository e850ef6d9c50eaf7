"""Checks the settings of the provider's client: key, URL, certificates, proxies, headers.

httpx2 and the OpenAI SDK read some environment variables themselves. A wrong value would fail every
image. Here it fails the start, with a message that has the variable's name and not its value.
"""

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pixy_core import ConfigurationError

DEFAULT_OPENAI_BASE_URL = "https://api.openai.com/v1"

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_ACCOUNT_HEADERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")

CLIENT_VARIABLES = frozenset(
    {
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "OPENAI_CUSTOM_HEADERS"),
        *_PROXIES,
        *_ACCOUNT_HEADERS,
    }
)
"""The variables that httpx2 and the SDK read, and that can break a client; in any case."""

# RFC 9110, section 5.6.2 and 5.5: what h11 sends; it raises when it is to send anything else
_is_header_name = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_is_header_value = re.compile(r"(?:[^\0\s]+(?:[ \t]+[^\0\s]+)*)?", re.ASCII).fullmatch
# they would contradict the body that is sent
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})
_is_hashed_name = re.compile(r"[0-9a-fA-F]{8}\.\d+").fullmatch


def check_key(api_key: str | None) -> str:
    """Return the key if it can be sent in a header.

    Raises:
        ConfigurationError: OPENAI_API_KEY is missing or invalid.
    """
    if not api_key:
        raise ConfigurationError(
            "OPENAI_API_KEY is missing: set OPENAI_API_KEY to your key, "
            "or PIXY_GENERATOR=sketch to draw offline"
        )
    # anything else would break the header, and its error would show the key
    if not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ConfigurationError(
            "OPENAI_API_KEY holds a character that no key has: set OPENAI_API_KEY to your key"
        )
    return api_key


def check_base_url(base_url: str | None) -> str:
    """Return the URL of the API without surrounding white space.

    Args:
        base_url: OPENAI_BASE_URL; None or blank for the default.

    Raises:
        ConfigurationError: It is invalid.
    """
    url = (base_url or "").strip() or DEFAULT_OPENAI_BASE_URL
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _base_url_error("is not a URL") from None
    if "?" in url or "#" in url:
        raise _base_url_error("must have no query (?…) and no fragment (#…)")
    if "@" in parts.netloc:
        raise _base_url_error("must have no user name or password; the key is OPENAI_API_KEY")
    if parts.scheme not in ("http", "https") or port == 0 or not _is_printable(url):
        raise _base_url_error("is not the URL of a server")
    if not (_is_host(host) and (_is_plain(parts) or _is_url_of_httpx2(url))):
        raise _base_url_error("does not name a host")
    return url


def _base_url_error(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"OPENAI_BASE_URL {why}: set it like OPENAI_BASE_URL={DEFAULT_OPENAI_BASE_URL}, "
        "or leave it out"
    )


def _is_printable(url: str) -> bool:
    return url.isprintable() and " " not in url


def _is_host(host: str) -> bool:
    """Return whether a host is an address, or a name that can be looked up."""
    try:
        # as socket.getaddrinfo does: an empty or a too long label is an error
        host.encode("idna")
    except UnicodeError:
        return False
    return re.fullmatch(r"[^\s%]+|[0-9a-fA-F:.]+%[^\s]+", host) is not None


def _is_plain(parts: SplitResult) -> bool:
    """Return whether httpx2 certainly accepts a host; importing it takes 0.15 s."""
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        # digits and dots alone would be an address to it, as would what is in brackets
        is_name = re.fullmatch(r"[a-z0-9_.-]*[a-z][a-z0-9_.-]*", host) is not None
        return is_name and "[" not in parts.netloc
    return True


def _is_url_of_httpx2(url: str) -> bool:
    import httpx2  # noqa: PLC0415 - see _is_plain

    try:
        httpx2.URL(url)
    except httpx2.InvalidURL:
        return False
    return True


def check_environment(environment: Mapping[str, str], base_url: str) -> None:
    """Return if a client for this URL can be built in an environment.

    Args:
        environment: The variables of CLIENT_VARIABLES that are set.
        base_url: From `check_base_url`.

    Raises:
        ConfigurationError: It can't; the message names the variable.
    """
    _check_certificates(environment, is_encrypted=base_url.lower().startswith("https:"))
    _check_proxies(environment)
    for name in _ACCOUNT_HEADERS:
        if not _is_sendable(environment.get(name, "")):
            raise ConfigurationError(
                f"{name} can't be sent: set it to an id in ASCII, without a line break or white "
                "space around it, or leave it out"
            )
    for line in environment.get("OPENAI_CUSTOM_HEADERS", "").split("\n"):
        _check_custom_header(line)


def _check_certificates(environment: Mapping[str, str], *, is_encrypted: bool) -> None:
    file, folders = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    if not (file or folders):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if file:
        try:
            context.load_verify_locations(file)
        except OSError:
            raise ConfigurationError(
                "SSL_CERT_FILE is not a readable file of certificates in PEM: name one, "
                "or leave it out"
            ) from None
    elif folders and is_encrypted and not any(map(_holds_certificates, folders.split(os.pathsep))):
        raise ConfigurationError(
            "SSL_CERT_DIR holds no certificate: name a folder in which `openssl rehash` has "
            "given each its name, or leave it out"
        )
    _check_key_log(context, environment.get("SSLKEYLOGFILE"))


def _holds_certificates(folder: str) -> bool:
    try:
        return any(_is_hashed_name(path.name) for path in Path(folder).iterdir())
    except OSError:
        return False


def _check_key_log(context: ssl.SSLContext, key_log: str | None) -> None:
    if key_log:
        try:
            context.keylog_filename = key_log
        except OSError:
            raise ConfigurationError(
                "SSLKEYLOGFILE can't be written: name another file, or leave it out"
            ) from None


def _check_proxies(environment: Mapping[str, str]) -> None:
    for variable in _PROXIES:
        # urllib.request.getproxies prefers the lower case, an empty one too
        name = variable.lower() if variable.lower() in environment else variable
        if environment.get(name):
            _check_proxy(name, environment[name])


def _check_proxy(name: str, value: str) -> None:
    import httpx2  # noqa: PLC0415 - see _is_plain

    try:
        proxy = httpx2.Proxy(value if "://" in value else f"http://{value}")
        # a proxy brings its connection pool along; nothing is encrypted or connected here
        httpx2.AsyncHTTPTransport(verify=False, proxy=proxy)
    except ImportError:
        raise ConfigurationError(
            f"{name} names a SOCKS proxy, and the package socksio is not installed: "
            f"pip install socksio, or leave {name} out"
        ) from None
    except (ValueError, httpx2.InvalidURL):
        is_usable = False
    else:
        port = proxy.url.port
        is_usable = _is_host(proxy.url.host) and (port is None or 0 < port < 65536)
    if not is_usable:
        raise ConfigurationError(
            f"{name} is not the URL of a proxy: set it like {name}=http://proxy.example:3128, "
            "or leave it out"
        )


def _check_custom_header(line: str) -> None:
    # the SDK ignores a line without a colon
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not colon:
        return
    is_framing = name.lower() in _FRAMING_HEADERS
    if is_framing or not _is_header_name(name) or not _is_sendable(value):
        raise ConfigurationError(
            "OPENAI_CUSTOM_HEADERS holds a header that can't be sent: write lines such as "
            "Name: value, in ASCII, without Content-Length and Transfer-Encoding"
        )


def _is_sendable(value: str) -> bool:
    return value.isascii() and _is_header_value(value) is not None
