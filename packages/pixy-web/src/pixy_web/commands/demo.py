"""The command `pixy demo`: a service with some images, made through its own API."""

import base64
import contextlib
import errno
import json
import secrets
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import click
import uvicorn

from pixy_service import MAX_PARTIALS, open_users
from pixy_web.app import create_app
from pixy_web.server.log_lines import configure_logging
from pixy_web.server.run import bind, build_server
from pixy_web.settings import Settings, sqlite_url

USERNAME = "demo"
PROMPTS = {
    "a lighthouse at dusk, gulls around its lamp": "1024x1024",
    "a comet over the fjord": "1024x1536",
    "a harbour at night, lamps on the water": "1536x1024",
    "a tram in the snow, windows glowing": "1024x1024",
    "the first snow on the pass": "1536x1024",
    "three paper boats on a mountain lake": "1024x1024",
}
"""Prompts and sizes of the images."""

READY_TEXT = """
PixyProxy is up. It made {count} images through its API, drawn offline by the sketch generator.

  Open     {url}/
  Sign in  user {user}, password {password}
  Data     {folder}

Try these:

  curl -i -u {user}:{password} -H 'Content-Type: application/json' \\
    -d '{{"prompt": "a red kite over the sea", "visibility": "public"}}' {url}/image
  curl {url}/image
  curl {url}/image/{guid}
  curl -o picture.png {url}/image/{guid}/content && file picture.png

Ctrl-C stops it.
"""


def run_demo(host: str, port: int) -> None:
    """Serve a fresh data folder until a signal stops the process.

    Args:
        host: Address to listen on.
        port: Port to listen on; if it is in use, a free one.

    Raises:
        PixyProxyException: The service can't start.
    """
    folder = Path(tempfile.mkdtemp(prefix="pixy-demo-"))
    settings = Settings.load(
        data_dir=folder,
        database_url=sqlite_url(folder / "pixy.sqlite3"),
        generator="sketch",
        partial_images=MAX_PARTIALS,
        log_level="WARNING",
    )
    configure_logging(settings.log_level, settings.log_format)
    password = secrets.token_urlsafe(12)
    with open_users(settings.database_url.get_secret_value(), settings.limits) as users:
        users.add_user(USERNAME, password, "demo")
    listener = _bind_or_take_free(host, port)
    server = build_server(create_app(settings), settings)
    guide = threading.Thread(target=_show, args=(server, listener, password, folder), daemon=True)
    guide.start()
    # uvicorn stops at the first Ctrl-C, and raises it again when everything is closed
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _bind_or_take_free(host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise click.ClickException(f"can't listen on {host}: {error.strerror}") from error
        return bind(host, 0)


def _show(server: uvicorn.Server, listener: socket.socket, password: str, folder: Path) -> None:
    """Make the images and print where they are, once the server has started."""
    while not server.started:
        time.sleep(0.05)
    host, port = listener.getsockname()[:2]
    # concurrently, because an image with partial images is drawn slowly
    with ThreadPoolExecutor(len(PROMPTS)) as threads:
        guids = list(
            threads.map(lambda wanted: _make_image(host, port, password, *wanted), PROMPTS.items())
        )
    click.echo(
        READY_TEXT.format(
            count=len(guids),
            url=f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}",
            user=USERNAME,
            password=password,
            folder=folder,
            guid=guids[-1],
        )
    )


def _make_image(host: str, port: int, password: str, prompt: str, size: str) -> str:
    """Return the guid of a new public image."""
    token = base64.b64encode(f"{USERNAME}:{password}".encode()).decode()
    connection = HTTPConnection(host, port)
    connection.request(
        "POST",
        "/image",
        json.dumps({"prompt": prompt, "size": size, "visibility": "public"}),
        {"Authorization": f"Basic {token}", "Content-Type": "application/json"},
    )
    guid: str = json.load(connection.getresponse())["guid"]
    connection.close()
    return guid
