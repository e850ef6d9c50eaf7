"""The S3 servers that other tests run on do what those tests build on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_requests import S3Client
from s3_server import SERVERS, S3Server, SeaweedFS


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Server]:
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as server:
        yield server


def test_an_object_is_kept_listed_and_deleted(server: S3Server) -> None:
    bucket, client = server.make_bucket("kept"), server.client
    for key in ("images/aa/é 1.png", "images/ab/2.png", "journal/3.json"):
        assert client.request("PUT", f"/{bucket}/{key}", key.encode()).status == 200
    assert client.request("GET", f"/{bucket}/images/ab/2.png").body == b"images/ab/2.png"
    assert client.list_objects(bucket, "images/") == {
        "images/aa/é 1.png": 18,
        "images/ab/2.png": 15,
    }
    assert client.request("DELETE", f"/{bucket}/journal/3.json").status == 204
    assert "journal/3.json" not in client.list_objects(bucket)


def test_more_objects_than_an_answer_has_are_listed(server: S3Server) -> None:
    bucket = server.make_bucket("many")
    keys = [f"{number:04}" for number in range(5)]
    for key in keys:
        server.client.request("PUT", f"/{bucket}/{key}", b"x")
    assert list(server.client.list_objects(bucket, page=2)) == keys


def test_a_bucket_that_is_missing_is_not_made(server: S3Server) -> None:
    assert server.client.request("PUT", "/missing/object", b"x").status == 404


def test_objects_survive_a_kill_and_no_socket_the_server(tmp_path: Path) -> None:
    with SeaweedFS(tmp_path) as server:
        bucket = server.make_bucket("kept")
        server.client.request("PUT", f"/{bucket}/object", b"bytes")
        server.kill()
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset
            server.client.request("GET", f"/{bucket}/object")
        server.start()
        assert server.client.request("GET", f"/{bucket}/object").body == b"bytes"
        assert server.client.request("PUT", f"/{bucket}/other", b"bytes").status == 200
        sockets = set(Path("/tmp").glob("seaweedfs-*.sock"))
    # nothing is left outside its folder
    assert any(str(server.port) in path.name for path in sockets)
    assert not [path for path in sockets if str(server.port) in path.name and path.exists()]


@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
def test_wrong_credentials_are_refused(server: S3Server) -> None:
    bucket = server.make_bucket("guarded")
    stranger = S3Client(server.url, server.access_key, "another secret")
    assert stranger.request("PUT", f"/{bucket}/object", b"x").status == 403
