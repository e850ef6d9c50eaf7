"""A bucket behind a proxy, and the recovery of another process."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_recovery import Buckets
from pixy_core import User
from pixy_data import Database
from pixy_data.content.objects.bucket import Timeouts, open_bucket
from pixy_data.content.objects.store import ObjectStore
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from s3_faults import S3Faults
from s3_server import SeaweedFS


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as server:
        server.make_bucket("pixy")
        yield server


@pytest.fixture
def faults(server: SeaweedFS) -> Iterator[S3Faults]:
    with S3Faults(server.port) as faults:
        yield faults


@pytest.fixture
def buckets(server: SeaweedFS, faults: S3Faults, monkeypatch: pytest.MonkeyPatch) -> Buckets:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    url, opened = f"s3://pixy/{uuid.uuid4()}", []
    for endpoint in (faults.url, server.url):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        opened.append(open_bucket(url, Timeouts(5, 5, 5)))
    return Buckets(*opened, faults)


@pytest.fixture
def stores(database: Database, buckets: Buckets, tmp_path: Path) -> ImageStores:
    return ImageStores.over(database, ObjectStore(buckets.proxied, tmp_path, reserve=0))


@pytest.fixture
def others(stores: ImageStores, database: Database, buckets: Buckets, tmp_path: Path) -> Recovery:
    """The recovery of another process, without the proxy."""
    assert stores
    there = ImageStores.over(database, ObjectStore(buckets.direct, tmp_path, reserve=0))
    return Recovery(there, Claims(there), ImageAdopter(there), patience=0)


@pytest.fixture
def ann(people: tuple[User, ...]) -> User:
    return people[0]
