"""Services on copies of the images, what a copy asks of a bucket, and places that are refused."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pixy_core import (
    ConfigurationError,
    Image,
    ImageDetailCreate,
    StorageUnavailableError,
    StoreMismatchError,
    User,
)
from pixy_service import (
    CopyUnfinishedError,
    Finding,
    ImageGenerator,
    Services,
    StoreCopy,
    open_checker,
    open_copy,
    open_services,
)
from s3_faults import S3Faults, S3Request
from s3_server import S3Server
from stored_images import content_of, damage

Make = Callable[..., Image]
UseBucket = Callable[..., str]
Open = Callable[..., AbstractContextManager[StoreCopy]]


@pytest.fixture
def use(use_bucket: UseBucket) -> str:
    return use_bucket("seaweedfs")


@dataclass(frozen=True)
class Installation:
    """The test's database and data folder, and its user."""

    url: str
    data: Path
    ann: User
    generator: ImageGenerator

    def copy_to(
        self, to: Path | str, data: Path | None = None, content: str | None = None
    ) -> StoreCopy:
        with open_copy(self.url, data or self.data, content, str(to)) as copy:
            assert list(copy.run()) == []
            return copy

    def serve(self, data: Path, content: str | None = None) -> Services:
        return open_services(
            database_url=self.url, data_dir=data, content=content, generator=self.generator
        )

    def check(self, data: Path, content: str | None = None) -> list[Finding]:
        with open_checker(self.url, data, content, min_age=0, deep=True) as checker:
            return list(checker.check())


@pytest.fixture
def installation(
    database_url: str, tmp_path: Path, people: tuple[User, ...], generator: ImageGenerator
) -> Installation:
    return Installation(database_url, tmp_path, people[0], generator)


def test_a_service_works_on_a_copy_and_the_same_command_copies_back(
    installation: Installation, use: str, make_image: Make, tmp_path: Path
) -> None:
    images = [make_image() for _ in range(2)]
    content = [content_of(image, tmp_path) for image in images]
    installation.copy_to(use)
    moved, back = tmp_path / "moved", tmp_path / "back"
    with installation.serve(moved, use) as services:
        services.check_ready()
        mine = services.private_images(installation.ann)
        assert [mine.read_content(image) for image in images] == content
    assert installation.check(moved, use) == []
    assert installation.copy_to(back, moved, use).copied == 2
    assert [content_of(image, back) for image in images] == content
    with installation.serve(back) as services:
        services.check_ready()
    assert installation.check(back) == []


def test_a_service_refuses_a_half_copy(
    installation: Installation, use: str, make_image: Make, tmp_path: Path
) -> None:
    damage(make_image(), tmp_path)
    make_image()
    with open_copy(installation.url, tmp_path, None, use) as copy:
        assert len(list(copy.run())) == 1
    with (
        installation.serve(tmp_path / "moved", use) as services,
        pytest.raises(StoreMismatchError),
    ):
        services.check_ready()


def test_a_copy_that_never_catches_up_ends_without_a_mark(
    installation: Installation, make_image: Make, tmp_path: Path
) -> None:
    guids = [make_image().guid for _ in range(3)]

    def make_another(copy: StoreCopy) -> None:
        # once in each pass, and behind it: its rows have been read up to the last one
        last = max(guids)
        while copy.images == 1:
            guids.append(make_image().guid)
            if guids[-1] < last:
                break

    to = tmp_path / "new"
    with (
        open_copy(installation.url, tmp_path, None, str(to), on_progress=make_another) as copy,
        pytest.raises(CopyUnfinishedError, match="stop the service"),
    ):
        list(copy.run())
    assert not (to / "images/.store").exists()


def test_what_is_whole_is_asked_for_once_and_not_read(
    installation: Installation,
    use_bucket: UseBucket,
    start_s3: Callable[[str], S3Server],
    make_image: Make,
) -> None:
    for _ in range(5):
        make_image()
    with S3Faults(urlsplit(start_s3("seaweedfs").url).port or 0) as proxy:
        bucket = use_bucket("seaweedfs", proxy.url)
        installation.copy_to(bucket)
        first = list(proxy.requests)
        installation.copy_to(bucket)
        second = proxy.requests[len(first) :]
    assert count(first, "PUT") == count(first, "GET") == 5
    assert (count(second, "PUT"), count(second, "GET"), count(second, "HEAD")) == (0, 0, 5)


def count(requests: list[S3Request], method: str) -> int:
    return sum(each.method == method and "/images/" in each.path for each in requests)


def test_what_a_service_on_the_bucket_made_is_not_read_either(
    installation: Installation,
    use_bucket: UseBucket,
    start_s3: Callable[[str], S3Server],
    make_image: Make,
) -> None:
    make_image()
    with S3Faults(urlsplit(start_s3("seaweedfs").url).port or 0) as proxy:
        bucket = use_bucket("seaweedfs", proxy.url)
        installation.copy_to(bucket)
        with installation.serve(installation.data / "moved", bucket) as services:
            order = ImageDetailCreate(prompt="made there")
            services.private_images(installation.ann).create_image(order)
        before = len(proxy.requests)
        copy = installation.copy_to(bucket)
        requests = proxy.requests[before:]
    assert (copy.images, copy.copied) == (2, 0)
    assert (count(requests, "GET"), count(requests, "HEAD")) == (0, 2)


def test_a_bucket_that_is_not_there_stops_the_copy(
    installation: Installation, use: str, make_image: Make
) -> None:
    make_image()
    with pytest.raises(StorageUnavailableError):
        installation.copy_to("s3://nowhere/x")


@pytest.mark.parametrize("place", [".", "images/..", "link"])
def test_the_folder_in_use_is_no_target(
    installation: Installation, place: str, make_image: Make, tmp_path: Path
) -> None:
    make_image()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="another place"):
        installation.copy_to(f"{tmp_path}/{place}")


@pytest.mark.parametrize("ending", ["", "/", "//"])
def test_the_bucket_in_use_is_no_target(
    installation: Installation, ending: str, use: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="another place"):
        installation.copy_to(use + ending, tmp_path, use)


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://x/y", "s3://", "s3://bucket?x=1", "s3:/bucket/x", "S3://bucket", "gs:bucket"),
        *("s3://me:secret@bucket/x", "s3://bucket/a b", "s3://bucket//x", "s3://bucket/a/../b"),
        *("s3://..", "s3://bucket/.", "s3://bucket/%2e%2e/b"),
    ],
)
def test_a_url_that_is_none_of_a_bucket_is_wrong_usage(
    installation: Installation, make_image: Make, url: str
) -> None:
    make_image()
    with pytest.raises(ConfigurationError, match="A bucket is s3://bucket/prefix"):
        installation.copy_to(url)


def test_a_target_that_can_not_be_made_is_named(
    installation: Installation, make_image: Make, tmp_path: Path
) -> None:
    make_image()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/images can't be made: .*; name a folder"):
        installation.copy_to(tmp_path / "file")


def test_a_source_that_is_not_there_is_a_wrong_setting(
    installation: Installation, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="PIXY_DATA_DIR"):
        installation.copy_to(tmp_path / "new", tmp_path / "nowhere")
