"""The setting of the benchmark: all contenders, running on the same stock."""

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
from bucket import ImageBucket
from load import get_json, post_one_by_one, upload
from mysql_server import MySQLServer
from processes import Process
from provider_answers import LARGE_PNG

USER, PASSWORD = "reader", "a long enough password"
SIGNED_IN = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
PROMPT = {"prompt": "a lighthouse at dusk, in the style of a woodcut", "visibility": "public"}
PICTURES = 10
PAGE = 200


@dataclass
class Setting:
    """A context manager with the contenders; leaving it stops all processes.

    Entering it starts what most rows need. Costly attributes are made at their first use.

    Attributes:
        mysqld: The program of the database server.
        litellm: The program of LiteLLM's proxy; None if it is not installed.
        folder: An empty folder.
        seconds: Duration of each load.
        many: Number of images in the database that most rows use.
        deep: Number of images in the database with the long list, at most a million.
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
        # PixyProxy refuses a new folder for a database that has rows already
        stock.fill(self.server, self.database_url, self.many)
        self._choose_images()

    def run(self, process: Process) -> Process:
        """Start a process, which runs until the setting is closed."""
        return self._stack.enter_context(process)

    def make_pixy(self, name: str, provider: Process | None = None, **settings: str) -> Process:
        """Return another PixyProxy on the same stock, not started.

        Args:
            name: Its name, for the folder of its log.
            provider: Its provider; None for the one that answers immediately.
            settings: Further variables of its environment.
        """
        url = (provider or self.provider).url
        return contenders.make_pixy(
            self.folder / name, self.database_url, self.data, url, **settings
        )

    def make_litellm(self, name: str, provider: Process | None = None) -> Process:
        """Return another LiteLLM, not started.

        Args:
            name: Its own, for its folder.
            provider: Its provider; None for the one that answers at once.
        """
        assert self.litellm is not None
        url = (provider or self.provider).url
        return contenders.make_litellm(self.litellm, self.folder / name, url, self.litellm_key)

    @cached_property
    def pixy_key(self) -> str:
        """The API key that clients of PixyProxy sign in with."""
        printed = subprocess.run(
            [
                *(contenders.find_pixy(), "key", "add", "bench", "--user", USER),
                *("--scope", "read", "--scope", "create"),
            ],
            env={"PATH": os.environ["PATH"], "PIXY_DATABASE_URL": self.database_url},
            cwd=self.folder,
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        return printed.split()[-1]

    @cached_property
    def litellm_key(self) -> str:
        """The key that clients of LiteLLM sign in with."""
        return f"sk-{secrets.token_hex(16)}"

    @cached_property
    def proxy(self) -> Process:
        """LiteLLM."""
        return self.run(self.make_litellm("litellm"))

    @property
    def keyed(self) -> dict[str, str]:
        """The headers of a client with an API key of the user."""
        return {"Authorization": f"Bearer {self.pixy_key}"}

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
    def bucket(self) -> ImageBucket:
        """A bucket for images."""
        return self._stack.enter_context(ImageBucket(self.folder / "bucket"))

    def make_bucket_pixy(self, name: str) -> Process:
        """Return another PixyProxy whose images are in the bucket, not started."""
        folder, url = self.folder / name, self._bucket_database
        return contenders.make_pixy(
            folder, url, folder / "data", self.provider.url, **self.bucket.environment
        )

    @cached_property
    def _bucket_database(self) -> str:
        return self._make_database()

    @cached_property
    def bucket_pixy(self) -> Process:
        """A PixyProxy with some images, which are in the bucket."""
        pixy = self.run(self.make_bucket_pixy("on-a-bucket"))
        post_one_by_one(pixy.url, "/image", PROMPT, SIGNED_IN, count=PICTURES, status=201)
        return pixy

    @cached_property
    def large_image(self) -> str:
        """The path of a private image in the bucket, which is larger than any socket's buffers."""
        return upload(self.bucket_pixy.url, LARGE_PNG, SIGNED_IN)

    @cached_property
    def deep_pixy(self) -> Process:
        """A PixyProxy with a long list."""
        database_url = self._make_database()
        folder = self.folder / "deep"
        pixy = self.run(
            contenders.make_pixy(folder, database_url, folder / "data", self.provider.url)
        )
        stock.fill(self.server, database_url, self.deep)
        return pixy

    @cached_property
    def last_page(self) -> str:
        """The path of the last page of 50 of the long list, found by following its links."""
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
        """Make some images, which are then the newest, and choose images for the details."""
        url = self.pixy.url
        post_one_by_one(url, "/image", PROMPT, SIGNED_IN, count=PICTURES, status=201)
        images: Any
        images, _ = get_json(url, f"/image?limit={PAGE}", {})
        self.details = [f"/image/{image['guid']}" for image in images]
        self.contents = [f"{path}/content" for path in self.details[:PICTURES]]
        names = [image["filename"] for image in images[:PICTURES]]
        self.files = [f"/{name[:2]}/{name}" for name in names]
        self.tags = [f'"{image["sha256"]}"' for image in images[:PICTURES]]
