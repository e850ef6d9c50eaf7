"""nginx as docs/proxy.md configures it, in front of a service; nothing here imports PixyProxy."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import trustme

from door import Door
from installed_pixy import PASSWORD
from reverse_proxies import find_free_port, start_nginx

PAGE = Path(__file__).parents[2] / "docs/proxy.md"
NAME = "pixy.example"


class Front:
    """The proxy: its certificate authority, its ports and the service behind it."""

    def __init__(self, authority: trustme.CA, http_port: int, https_port: int, door: Door) -> None:
        self.http_port, self.https_port, self.door = http_port, https_port, door
        self.context = ssl.create_default_context()
        authority.configure_trust(self.context)

    def ask(
        self,
        method: str,
        path: str,
        *,
        source: str = "127.0.0.1",
        user: str = "",
        **options: Any,
    ) -> httpx2.Response:
        """Send a request like a client that resolves the proxy's name."""
        transport = httpx2.HTTPTransport(verify=self.context, local_address=source)
        headers = {"Host": NAME, **options.pop("headers", {})}
        password = str(options.pop("password", PASSWORD))
        auth = (user, password) if user else None
        with httpx2.Client(transport=transport, auth=auth, timeout=60) as client:
            return client.request(
                method,
                f"https://127.0.0.1:{self.https_port}{path}",
                headers=headers,
                extensions={"sni_hostname": NAME},
                **options,
            )


def read_configurations() -> list[str]:
    """Return that of one server, its upstream for two, and the location of image files."""
    return re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def replace_all(text: str, replacements: dict[str, str]) -> str:
    for there, here in replacements.items():
        assert there in text
        text = text.replace(there, here)
    return text


@contextmanager
def run_front(folder: Path, configuration: str, door: Door, user: str = "root") -> Iterator[Front]:
    authority = trustme.CA()
    authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(str(folder / "pem"))
    ports = find_free_port(), find_free_port()
    names = {
        "listen 80;": f"listen 127.0.0.1:{ports[0]};",
        "listen 443 ssl;": f"listen 127.0.0.1:{ports[1]} ssl;",
        "/etc/ssl/pixy.example.pem": f"{folder}/pem",
        "/etc/ssl/pixy.example.key": f"{folder}/pem",
    }
    nginx = start_nginx(folder, replace_all(configuration, names), ports[1], user)
    try:
        yield Front(authority, *ports, door)
    finally:
        nginx.stop()


def read_settings() -> dict[str, str]:
    settings = dict(re.findall(r"^(PIXY_\w+)=(\S+)$", PAGE.read_text(), re.MULTILINE))
    del settings["PIXY_ACCEL_REDIRECT"]
    settings["PIXY_ALLOWED_HOSTS"] += ",127.0.0.1"  # the tests also use this host
    return settings
