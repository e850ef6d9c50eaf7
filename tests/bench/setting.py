"""The setting of the benchmark: every contender, running over the same stock."""

import base64
import os
import secrets
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import contenders
import stock
from load import get_json, post_one_by_one
from mysql_server import MySQLServer
from processes import Process

USER, PASSWORD = "reader", "a long enough password"
SIGNED_IN = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
PROMPT = {"prompt": "a lighthouse at dusk, in the style of a woodcut", "visibility": "public"}
PICTURES = 10
PAGE = 200


@dataclass
class Setting:
    """What measures use: leaving it stops all that runs.

    Entering starts what most rows need; the attributes that are costly are made when they are
    first asked for.

    Attributes:
        mysqld: The program of the database server.
        litellm: The program of LiteLLM's proxy, or None where it isn't installed.
        folder: An empty folder.
        seconds: How long each load lasts.
        many: Rows of the database that most rows read.
        deep: Rows of the one with the long list, at most a million.
    """

    mysqld: Path
    litellm: Path | None
    folder: Path
    seconds: int
    many: int = 100_000
    deep: int = 1_000_000

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.server = MySQLServer(self.mysqld, self.folder / "mysql")
        self._stack.callback(self.server.stop)
        self.server.start("--innodb-buffer-pool-size=1500M", "--max-connections=600")
        self.provider = self.run(contenders.make_stand_in(self.folder / "provider", 0))
        self.database_url = self._make_database()
        self.data = self.folder / "data"
        self.pixy = self.run(self.make_pixy("pixy"))
        # PixyProxy serves no rows that were there before its folder
        stock.fill(self.server, self.database_url, self.many)
        self._choose_images()

    def run(self, process: Process) -> Process:
        """Start a process, which runs until the setting is left."""
        return self._stack.enter_context(process)

    def make_pixy(self, name: str, provider: Process | None = None, **settings: str) -> Process:
        """Return another PixyProxy over the same stock, not started.

        Args:
            name: Its own, for the folder of its log.
            provider: Its provider; None for the one that answers at once.
            settings: Further variables of its environment.
        """
        url = (provider or self.provider).url
        return contenders.make_pixy(
            self.folder / name, self.database_url, self.data, url, **settings
        )

    def make_litellm(self, name: str) -> Process:
        """Return another LiteLLM in front of the provider, not started."""
        assert self.litellm is not None
        return contenders.make_litellm(
            self.litellm, self.folder / name, self.provider.url, self.litellm_key
        )

    @cached_property
    def litellm_key(self) -> str:
        """What clients of LiteLLM sign in with."""
        return f"sk-{secrets.token_hex(16)}"

    @cached_property
    def proxy(self) -> Process:
        """LiteLLM."""
        return self.run(self.make_litellm("litellm"))

    @cached_property
    def bare(self) -> Process:
        """The framework by itself."""
        return self.run(contenders.make_bare(self.folder / "bare"))

    @cached_property
    def textbook(self) -> Process:
        """The textbook service."""
        images = self.data / "images"
        return self.run(
            contenders.make_textbook(self.folder / "textbook", self.database_url, images)
        )

    @cached_property
    def nginx(self) -> Process:
        """The web server."""
        return self.run(contenders.make_nginx(self.folder / "nginx", self.data / "images"))

    @cached_property
    def front(self) -> Process:
        """Nginx in front of another PixyProxy, whose files nginx sends itself."""
        behind = self.make_pixy(
            "behind", PIXY_ACCEL_REDIRECT="/internal/", PIXY_TRUSTED_PROXIES="127.0.0.1"
        )
        url = self.run(behind).url
        return self.run(contenders.make_front(self.folder / "front", self.data / "images", url))

    @cached_property
    def deep_pixy(self) -> Process:
        """A PixyProxy whose list is long."""
        database_url = self._make_database()
        folder = self.folder / "deep"
        pixy = self.run(
            contenders.make_pixy(folder, database_url, folder / "data", self.provider.url)
        )
        stock.fill(self.server, database_url, self.deep)
        return pixy

    @cached_property
    def last_page(self) -> str:
        """The path of the last page of 50 of the long list, found by walking there."""
        url, left = self.deep_pixy.url, self.deep - 50
        path = ""
        while left:
            page = min(left, PAGE)
            query = path.partition("cursor=")[2]
            asked = f"/image?limit={page}" + (f"&cursor={query}" if query else "")
            _, path = get_json(url, asked, {})
            left -= page
        return "/image?limit=50&cursor=" + path.partition("cursor=")[2]

    def _make_database(self) -> str:
        url = self.server.create_database()
        subprocess.run(
            [contenders.find_pixy(), "user", "add", USER, "--class-key=class", "--password-stdin"],
            env={"PATH": os.environ["PATH"], "PIXY_DATABASE_URL": url},
            cwd=self.folder,
            input=f"{PASSWORD}\n",
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return url

    def _choose_images(self) -> None:
        """Make some pictures, which are the newest then, and choose details among many."""
        url = self.pixy.url
        post_one_by_one(url, "/image", PROMPT, SIGNED_IN, count=PICTURES, status=201)
        images: Any
        images, _ = get_json(url, f"/image?limit={PAGE}", {})
        self.details = [f"/image/{image['guid']}" for image in images]
        self.contents = [f"{path}/content" for path in self.details[:PICTURES]]
        names = [image["filename"] for image in images[:PICTURES]]
        self.files = [f"/{name[:2]}/{name}" for name in names]
        self.tags = [f'"{image["sha256"]}"' for image in images[:PICTURES]]
