"""Where the replicas of a fleet keep their images: a shared folder, or a bucket.

Each says which settings the replicas get, and looks into the store from outside.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from s3_server import SeaweedFS

_BUCKET, _PREFIX = "pixy", "fleet"


class SharedContent(Protocol):
    """The images of a fleet.

    Attributes:
        environment: The settings of each replica, by variable name.
        has_server: Whether it has a server of its own, which can be killed.
    """

    environment: dict[str, str]
    has_server: bool

    def list_images(self) -> dict[str, int]:
        """Return the size of each image, by file name."""

    def list_entries(self) -> set[str]:
        """Return the guids of the journal's entries."""

    def list_durable(self) -> set[str]:
        """Return the guids of images that can't be lost any more, and may have no row yet."""

    def find_durable(self, guids: Iterable[str]) -> set[str]:
        """Return those of these guids that `list_durable` has, without listing all."""

    def restart(self) -> None:
        """Kill its server and start it again."""

    def close(self) -> None:
        """Stop its server."""


class SharedFolder:
    """A data folder that all replicas share; see `SharedContent`.

    Args:
        folder: The data folder.
    """

    has_server = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {"PIXY_DATA_DIR": str(folder)}

    def list_images(self) -> dict[str, int]:
        """Return the size of each image, by file name."""
        paths = (self._folder / "images").glob("[0-9a-f][0-9a-f]/*")
        return {path.name: path.stat().st_size for path in paths}

    def list_entries(self) -> set[str]:
        """Return the guids of the journal's entries."""
        return {path.stem for path in (self._folder / "journal").glob("*.json")}

    def list_durable(self) -> set[str]:
        """Return the guids of the journal's entries: an entry is written after the bytes."""
        return self.list_entries()

    def find_durable(self, guids: Iterable[str]) -> set[str]:
        """Return those of these guids that `list_durable` has."""
        return self.list_durable().intersection(guids)

    def restart(self) -> None:
        """Do nothing: there is no server."""

    def close(self) -> None:
        """Do nothing."""


class SharedBucket:
    """A prefix of a bucket on a SeaweedFS of its own; see `SharedContent`.

    Args:
        folder: An empty folder for the server.
    """

    has_server = True

    def __init__(self, folder: Path) -> None:
        self._server = SeaweedFS(folder).start()
        self._server.make_bucket(_BUCKET)
        self.environment = {
            "PIXY_CONTENT": f"s3://{_BUCKET}/{_PREFIX}",
            "AWS_ENDPOINT_URL": self._server.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self._server.access_key,
            "AWS_SECRET_ACCESS_KEY": self._server.secret_key,
        }

    def list_images(self) -> dict[str, int]:
        """Return the size of each image, by file name."""
        return {PurePosixPath(key).name: size for key, size in self._list("images/").items()}

    def list_entries(self) -> set[str]:
        """Return the guids of the journal's entries whose images are there.

        An entry without one stays for two hours: its image may still be on its way.
        """
        return {PurePosixPath(key).stem for key in self._list("journal/")} & self.list_durable()

    def list_durable(self) -> set[str]:
        """Return the guids of the images: an entry is written before the bytes."""
        return {PurePosixPath(name).stem for name in self.list_images()}

    def find_durable(self, guids: Iterable[str]) -> set[str]:
        """Return those of these guids that `list_durable` has, by one short list each."""
        return {guid for guid in guids if self._list(f"images/{guid[:2]}/{guid}")}

    def restart(self) -> None:
        """Kill the server and start it again on the same data."""
        self._server.kill()
        self._server.start()

    def close(self) -> None:
        """Stop the server."""
        self._server.stop()

    def _list(self, beginning: str) -> dict[str, int]:
        return self._server.client.list_objects(_BUCKET, f"{_PREFIX}/{beginning}")


CONTENTS: dict[str, type[SharedFolder] | type[SharedBucket]] = {
    "bucket": SharedBucket,
    "folder": SharedFolder,
}
"""The stores that the tests of a fleet run on, by name."""
