"""A deployment whose images are in a bucket, behind a proxy that breaks requests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployment import Deployment
from provider import Provider
from s3_faults import S3Faults
from s3_requests import S3Client
from s3_server import S3Server

_BUCKET = "pixy"


class StoredObject:
    """An object of the bucket, in the place of a file.

    Args:
        client: Reads it.
        key: Its key.
    """

    def __init__(self, client: S3Client, key: str) -> None:
        self._client = client
        self.key = key

    def read_bytes(self) -> bytes:
        """Return its bytes."""
        answer = self._client.request("GET", f"/{_BUCKET}/{self.key}")
        assert answer.status == 200, answer.body
        return answer.body


class BucketDeployment(Deployment):
    """A deployment on object storage, whose requests go through `faults`.

    Attributes:
        faults: The proxy.

    Args:
        folder: An empty working directory.
        database_url: An empty database.
        provider: The provider of its images.
        server: The S3 server; the name of the folder is the prefix on it.
        settings: More settings, by the names of their variables.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        provider: Provider,
        server: S3Server,
        settings: Mapping[str, str],
    ) -> None:
        self.faults = S3Faults(server.port)
        self._client = server.client
        self._prefix = folder.name
        bucket = {
            "PIXY_CONTENT": f"s3://{_BUCKET}/{self._prefix}",
            "AWS_ENDPOINT_URL": self.faults.url,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_REGION": "us-east-1",
        }
        super().__init__(folder, database_url, provider, bucket | dict(settings))

    def list_keys(self, folder: str) -> list[str]:
        """Return the keys of the objects in a folder of the store."""
        prefix = f"{self._prefix}/{folder}/"
        return list(self._client.list_objects(_BUCKET, prefix))

    def files(self) -> dict[str, Any]:
        """Return the image objects, by name."""
        keys = self.list_keys("images")
        return {key.rpartition("/")[2]: StoredObject(self._client, key) for key in keys}

    def unfinished(self) -> list[Path]:
        """Return what has no final name yet, except what is reserved; see `reserved`."""
        return [Path(key) for key in self.list_keys("partial")]

    def reserved(self) -> list[str]:
        """Return the keys of reservations, which stay for a while after a crash."""
        return self.list_keys("reserved")

    def entries(self) -> set[str]:
        """Return the guids of the journal's entries, also of those without an image.

        These stay for two hours. They belong to creations that failed or are unknown.
        """
        return {Path(key).stem for key in self.list_keys("journal")}

    def journal(self) -> set[str]:
        """Return the guids of the journal's entries whose images are there."""
        return self.entries() & {name.partition(".")[0] for name in self.files()}
