"""PixyProxy on a real socket, in a thread of the test process."""

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2

from new_databases import create_tables
from new_users import add_users
from pixy_core import Scope
from pixy_service import open_keys, open_users
from pixy_web.app import create_app
from pixy_web.server.log_lines import FORMATTERS
from pixy_web.server.run import bind, build_server
from pixy_web.settings import Settings
from provider_answers import make_png

PASSWORD = "correct horse: bättery"
_names = itertools.count()
_numbers = itertools.count()


@dataclass
class RunningService:
    """A service that answers at `url`, its users and its log."""

    url: str
    settings: Settings
    log: StringIO
    stop: Callable[[], None]
    clients: list[httpx2.Client] = field(default_factory=list)

    def add_user(self, name: str | None = None, class_key: str = "class") -> str:
        """Return the name of a new user, whose password is PASSWORD."""
        name = name or f"user{next(_names)}"
        url = self.settings.database_url.get_secret_value()
        add_users(url, PASSWORD, {name: class_key}, quick=True)
        return name

    def open_users(self) -> Any:
        return open_users(self.settings.database_url.get_secret_value())

    def client(self, user: str | None = None, password: str = PASSWORD) -> httpx2.Client:
        """Return a client that signs in as `user`; None is anonymous."""
        auth = httpx2.BasicAuth(user.encode(), password.encode()) if user else None
        # without TLS no certificates are needed, and reading them takes longer than a request
        client = httpx2.Client(
            base_url=self.url, auth=auth, timeout=30, trust_env=False, verify=False
        )
        self.clients.append(client)
        return client

    def sign_in(self, class_key: str = "class") -> httpx2.Client:
        """Return a client of a new user."""
        return self.client(self.add_user(class_key=class_key))

    def add_key(self, user: str, *scopes: str) -> str:
        """Return a new API key of a user; without scopes it may read and create."""
        wanted = tuple(map(Scope, scopes or ("read", "create")))
        with open_keys(self.settings.database_url.get_secret_value()) as keys:
            return keys.add_key(user, "test", wanted).token

    def key_client(self, user: str | None = None, *scopes: str) -> httpx2.Client:
        """Return a client that sends a new API key as bearer token."""
        client = self.client()
        key = self.add_key(user or self.add_user(), *scopes)
        client.headers["Authorization"] = f"Bearer {key}"
        return client

    def make_image(
        self,
        client: httpx2.Client,
        prompt: str = "a lighthouse",
        visibility: str = "private",
        content: bytes | None = None,
    ) -> dict[str, Any]:
        """Return the details of a new image.

        Args:
            client: Its owner.
            prompt: Its prompt.
            visibility: Who may see it.
            content: The file; None for a tiny one, because drawing one takes much longer.
        """
        if content is None:
            # the same file again would be the same image
            number = next(_numbers)
            content = make_png(1 + number % 1000, 1 + number // 1000)
        files, texts = {"file": ("image", content)}, {"prompt": prompt}
        response = client.post("/image/upload", files=files, data=texts)
        assert response.status_code == 201, response.text
        if visibility != "private":
            path = response.headers["location"]
            response = client.patch(path, json={"visibility": visibility})
        details: dict[str, Any] = response.json()
        return details

    def draw_image(
        self, client: httpx2.Client, prompt: str = "a lighthouse", visibility: str = "private"
    ) -> dict[str, Any]:
        """Return the details of a new image that the service's generator has made."""
        response = client.post("/image", json={"prompt": prompt, "visibility": visibility})
        assert response.status_code == 201, response.text
        details: dict[str, Any] = response.json()
        return details

    def log_lines(self) -> list[str]:
        """Wait for the END lines of all answered requests, and return the log."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            lines = self.log.getvalue().splitlines()
            if sum("REQUEST START" in x for x in lines) == sum("REQUEST END" in x for x in lines):
                break
            time.sleep(0.01)
        return self.log.getvalue().splitlines()


def run_service(data_dir: Path, **overrides: object) -> RunningService:
    """Run a service in a thread of this process."""
    settings = Settings.load(
        **{"data_dir": data_dir, "generator": "sketch", "port": 0, **overrides}
    )
    url = settings.database_url.get_secret_value()
    if url.startswith("sqlite:"):
        with contextlib.suppress(OSError):  # a test may have blocked the path
            create_tables(url)
    log = StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(FORMATTERS[settings.log_format]())
    listener = bind("127.0.0.1", 0)
    server = build_server(create_app(settings), settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    logging.getLogger().addHandler(handler)
    thread.start()
    while not server.started:
        assert thread.is_alive(), log.getvalue()
        time.sleep(0.005)

    def stop() -> None:
        for client in running.clients:
            client.close()
        server.should_exit = True
        thread.join()
        listener.close()
        logging.getLogger().removeHandler(handler)

    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    running = RunningService(url, settings, log, stop)
    return running
