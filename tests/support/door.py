"""A deployment with users of every kind; nothing here imports PixyProxy."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from installed_pixy import PASSWORD, InstalledPixy
from raw_http import Answer, basic, exchange

OWNER, CLASSMATE, OTHER = "ada", "bob", "cyd"
CALLERS = ("owner", "classmate", "other", "stranger")
SECRET = "s3cret-of-the-test"


@dataclass
class Door:
    """A running service, and one image of the owner for each visibility."""

    pixy: InstalledPixy
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    size_at_start: int = 0

    @property
    def url(self) -> str:
        return self.pixy.url

    def client(self, caller: str = "stranger") -> httpx2.Client:
        return self.pixy.client(name_of(caller))

    def make_image(self, visibility: str) -> dict[str, Any]:
        """Return the details of a new image of the owner."""
        with self.client("owner") as owner:
            body = {"prompt": f"{SECRET} {visibility}", "visibility": visibility}
            answer = owner.post("/image", json=body)
            assert answer.status_code == 201, answer.text
            details: dict[str, Any] = answer.json()
            return details

    def exchange(self, request: bytes, **options: str) -> Answer:
        return exchange(self.url, request, **options)

    def memory(self) -> int:
        """Return the resident bytes of the server."""
        status = Path(f"/proc/{self.pixy.process_id}/statm").read_text()
        return int(status.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def name_of(caller: str) -> str | None:
    return {"owner": OWNER, "classmate": CLASSMATE, "other": OTHER}.get(caller)


def authorization_of(caller: str) -> bytes:
    name = name_of(caller)
    return basic(name, PASSWORD) if name else b""


def start_door(folder: Path, **environment: str) -> Door:
    pixy = InstalledPixy(
        folder,
        PIXY_DATABASE_URL=f"sqlite:///{folder / 'pixy.db'}",
        PIXY_DATA_DIR=str(folder / "data"),
        PIXY_GENERATOR="sketch",
        **environment,
    )
    pixy.add_users(**{OWNER: "red", CLASSMATE: "red", OTHER: "blue"})
    try:
        pixy.start()
    except BaseException:
        pixy.kill()  # it may hang
        raise
    door = Door(pixy)
    for visibility in ("private", "class", "public"):
        door.images[visibility] = door.make_image(visibility)
    door.size_at_start = door.memory()
    return door
