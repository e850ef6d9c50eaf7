"""A PixyProxy whose images are in a bucket, and the addresses of the same objects there."""

from datetime import timedelta
from pathlib import Path
from typing import Self

import obstore
from obstore.store import S3Store

from s3_server import SeaweedFS

BUCKET = "bench"
PREFIX = "pixy"


class ImageBucket:
    """A bucket on a store of its own. A context manager; leaving it stops the store.

    Args:
        folder: An empty folder for what the store writes.
    """

    def __init__(self, folder: Path) -> None:
        self._store = SeaweedFS(folder)

    def __enter__(self) -> Self:
        self._store.start()
        self._store.make_bucket(BUCKET)
        return self

    def __exit__(self, *_: object) -> None:
        self._store.stop()

    @property
    def url(self) -> str:
        """The store's endpoint."""
        return self._store.url

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a PixyProxy that keeps its images here."""
        return {
            "PIXY_CONTENT": f"s3://{BUCKET}/{PREFIX}",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self._store.access_key,
            "AWS_SECRET_ACCESS_KEY": self._store.secret_key,
            "AWS_REGION": "us-east-1",
        }

    def sign(self, filename: str) -> str:
        """Return a path with which anybody may get an image from the store, for an hour."""
        client = S3Store(
            BUCKET,
            endpoint=self.url,
            access_key_id=self._store.access_key,
            secret_access_key=self._store.secret_key,
            region="us-east-1",
            client_options={"allow_http": True},
        )
        key = f"{PREFIX}/images/{filename[:2]}/{filename}"
        return obstore.sign(client, "GET", key, timedelta(hours=1)).removeprefix(self.url)
