"""One deployment seen from outside: its rows, folders, log and answers.

invariants.py checks what must always hold.
"""

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

from database_sessions import connect
from forked_installation import ForkedInstallation
from provider import Provider

PATIENCE = 120
"""Seconds within which a recovery must finish."""

PLACES = 4
"""Maximum number of images that are made at once."""

_numbers = itertools.count()
_REQUEST_ID = r"\S+-\d{8}T\d{6}\.\d{6}Z-\d+"
_LONG_AGO = "2020-01-01 00:00:00.000000"


class Deployment:
    """The installed command, its database, its data folder and its provider.

    Args:
        folder: An empty working directory.
        database_url: An empty database.
        provider: The provider of its images.
        settings: More settings, by the names of their variables.
    """

    def __init__(
        self, folder: Path, database_url: str, provider: Provider, settings: dict[str, str]
    ) -> None:
        self.database_url = database_url
        self.provider = provider
        self.data = folder / "data"
        self.answers: list[httpx2.Response] = []
        self.deleted: set[str] = set()
        """Guids of images that a test has deleted; they must have no rows."""
        self.killed_in_flight = 0
        self._unended: set[str] = set()
        self._log_read = 0
        self.pixy = ForkedInstallation(
            folder,
            **{
                "PIXY_DATABASE_URL": database_url,
                "PIXY_DATA_DIR": str(self.data),
                "PIXY_GENERATOR": "openai",
                "PIXY_GENERATION_CONCURRENCY": str(PLACES),
                "OPENAI_API_KEY": "sk-of-the-test",
                "OPENAI_BASE_URL": provider.base_url,
            }
            | settings,
        )

    def client(self, user: str | None = "ada", timeout: float = 120) -> httpx2.Client:
        """Return a client whose answers are recorded."""
        client = self.pixy.client(user)
        client.timeout = timeout
        client.event_hooks = {"response": [self._record]}
        return client

    def _record(self, answer: httpx2.Response) -> None:
        answer.read()
        self.answers.append(answer)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement on the database, commit, and return its rows."""
        with connect(self.database_url) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = list(cursor.fetchall() or ())
            connection.commit()
            return rows

    def rows(self) -> dict[str, tuple[str, int, str]]:
        """Return the file name, size and hash in each image's row, by guid."""
        rows = self.query("SELECT guid, filename, size, sha256 FROM images")
        by_guid = {guid: (filename, size, sha256) for guid, filename, size, sha256 in rows}
        assert len(by_guid) == len(rows), "a guid has two rows"
        return by_guid

    def creations(self) -> dict[str, str]:
        """Return the status of each creation, by guid."""
        return dict(self.query("SELECT guid, status FROM creations"))

    def files(self) -> dict[str, Path]:
        """Return the image files, by name."""
        return {path.name: path for path in (self.data / "images").glob("[0-9a-f][0-9a-f]/*")}

    def unfinished(self) -> list[Path]:
        """Return every temporary file."""
        return list(self.data.rglob("*.part"))

    def journal(self) -> set[str]:
        """Return the guids of the journal's entries."""
        return {path.stem for path in (self.data / "journal").glob("*.json")}

    def journal_entry(self, guid: str) -> dict[str, Any]:
        """Return an entry of the journal."""
        entry: dict[str, Any] = json.loads((self.data / "journal" / f"{guid}.json").read_text())
        return entry

    def end_leases(self) -> None:
        """End all leases, and make temporary files look old, as if their process died long ago."""
        long_ago = f"UPDATE creations SET expires_at = '{_LONG_AGO}' WHERE status = 'pending'"
        self.query(long_ago)
        for path in self.unfinished():
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (1_700_000_000, 1_700_000_000))

    def end_pause(self) -> None:
        """End the pause that the provider wants after a rate limit."""
        self.query(f"UPDATE provider_pauses SET ends_at = '{_LONG_AGO}'")

    def crash(self) -> None:
        """Kill the server, if it still runs, and end its leases."""
        self.pixy.kill()
        self.killed_in_flight = len(self.requests_without_end())
        self.end_leases()

    def requests_without_end(self) -> set[str]:
        """Return the ids of requests that have a START line in the log and no END line."""
        # continue where the last call stopped: after two thousand crashes the log is long
        lines, _, _ = self.pixy.log_from(self._log_read).rpartition("\n")
        self._log_read += len(lines.encode())
        self._unended.update(re.findall(rf"({_REQUEST_ID}) .* REQUEST START ", lines))
        self._unended.difference_update(re.findall(rf"({_REQUEST_ID}) .* REQUEST END ", lines))
        return self._unended.copy()

    def post(self, prompt: str, key: str | None = None, **headers: str) -> httpx2.Response:
        """Create an image as ada; see `client`."""
        if key is not None:
            headers["Idempotency-Key"] = key
        with self.client() as ada:
            return ada.post("/image", json={"prompt": prompt}, headers=headers)

    def make_image(self, prompt: str = "an image") -> str:
        """Create an image with a unique prompt, and return its guid."""
        answer = self.post(f"{prompt}, number {next(_numbers)}")
        assert answer.status_code == 201, answer.text
        guid: str = answer.json()["guid"]
        return guid

    def make_shelves(self) -> None:
        """Make every folder of image files, because a create in a new folder has one more fsync."""
        for number in range(256):
            (self.data / "images" / f"{number:02x}").mkdir(exist_ok=True)

    def use_every_place(self) -> None:
        """Make as many images at once as the limit allows: no slot may be left in use."""
        with ThreadPoolExecutor(PLACES) as threads:
            list(threads.map(self.make_image, ["in a place"] * PLACES))

    def wait_for_recovery(self) -> None:
        """Wait until no journal entry, pending creation or unfinished file is left."""
        wait_until(lambda: not self.journal(), "the journal to be empty")
        wait_until(lambda: "pending" not in self.creations().values(), "claims to be settled")
        wait_until(lambda: not self.unfinished(), "temporary files to be removed")
        wait_until(lambda: not self.query("SELECT guid FROM deletions"), "deletions to be finished")


def wait_until(is_so: Callable[[], object], what: str = "it to be so") -> None:
    """Wait until a condition is true.

    Raises:
        AssertionError: It was not true within PATIENCE.
    """
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
