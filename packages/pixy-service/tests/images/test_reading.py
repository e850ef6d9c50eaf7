import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    ContentDamagedError,
    Image,
    ImageDetail,
    InvalidInputError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_data import FileStore, ImageRepository, open_database
from pixy_service import MAX_PAGE_SIZE, PrivateImageService, Services
from pixy_service.images.public import PublicImageService
from pixy_service.images.thumbnails import Thumbnails
from provider_answers import PNG

ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def add_rows(people: tuple[User, ...], database_url: str) -> Callable[[int], list[str]]:
    """Return a function that adds public rows of Ann's without files, and returns their guids."""

    def add(count: int) -> list[str]:
        database = open_database(database_url)
        try:
            rows = [
                ImageDetail(
                    prompt=f"number {index}",
                    guid=f"00000000-0000-4000-8000-{index:012x}",
                    filename=f"00000000-0000-4000-8000-{index:012x}.png",
                    visibility=Visibility.PUBLIC,
                    media_type="image/png",
                    width=1,
                    height=1,
                    size=1,
                    sha256="0" * 64,
                    generator="sketch",
                    model="sketch-1",
                )
                for index in range(count)
            ]
            repository = ImageRepository(database)
            return [repository.insert_image(row, people[0]).guid for row in rows]
        finally:
            database.close()

    return add


def test_all_images_are_listed_beyond_one_page_newest_first(
    anns: PrivateImageService, add_rows: Callable[[int], list[str]]
) -> None:
    guids = add_rows(2 * MAX_PAGE_SIZE)
    assert [image.guid for image in anns.get_all_images()] == guids[::-1]


def test_pages_follow_one_another_without_gap_or_overlap(
    anns: PrivateImageService, add_rows: Callable[[int], list[str]]
) -> None:
    guids = add_rows(7)
    seen, page = [], anns.list_images(3)
    while True:
        seen += [image.guid for image in page.images]
        if page.next_cursor is None:
            break
        page = anns.list_images(3, page.next_cursor)
    assert seen == guids[::-1]


def test_a_page_that_ends_the_list_has_no_cursor(
    anns: PrivateImageService, add_rows: Callable[[int], list[str]]
) -> None:
    add_rows(3)
    assert anns.list_images(3).next_cursor is None


def test_the_largest_page_holds_as_many_images_as_it_may(
    anns: PrivateImageService, add_rows: Callable[[int], list[str]]
) -> None:
    add_rows(MAX_PAGE_SIZE + 1)
    assert len(anns.list_images(MAX_PAGE_SIZE).images) == MAX_PAGE_SIZE


@pytest.mark.parametrize("limit", [0, MAX_PAGE_SIZE + 1])
def test_a_page_beyond_the_limit_is_refused(services: Services, limit: int) -> None:
    with pytest.raises(InvalidInputError):
        services.public_images.list_images(limit)


def test_a_cursor_of_the_public_list_is_refused_in_a_private_one(
    services: Services,
    anns: PrivateImageService,
    add_rows: Callable[[int], list[str]],
) -> None:
    add_rows(2)
    cursor = services.public_images.list_images(1).next_cursor
    with pytest.raises(InvalidInputError):
        anns.list_images(1, cursor)


def test_a_cursor_of_one_user_is_refused_in_another_s_list(
    services: Services,
    anns: PrivateImageService,
    people: tuple[User, ...],
    add_rows: Callable[[int], list[str]],
) -> None:
    add_rows(2)
    cursor = anns.list_images(1).next_cursor
    with pytest.raises(InvalidInputError):
        services.private_images(people[1]).list_images(1, cursor)


def test_a_cursor_holds_in_another_process_over_the_same_database(
    services: Services,
    tmp_path: Path,
    database_url: str,
    add_rows: Callable[[int], list[str]],
) -> None:
    guids = add_rows(2)
    cursor = services.public_images.list_images(1).next_cursor
    database = open_database(database_url)
    content = FileStore(tmp_path / "images")
    thumbnails = Thumbnails(content)
    other = PublicImageService(database, ImageRepository(database), content, thumbnails)
    try:
        assert other.list_images(1, cursor).images[0].guid == guids[0]
    finally:
        database.close()


def test_an_image_is_read_byte_for_byte_as_the_provider_made_it(
    services: Services, make_image: Callable[..., Image]
) -> None:
    assert services.public_images.read_image(make_image("public").guid).content == PNG


def test_the_bytes_of_an_image_that_was_given_out_are_read(
    services: Services, make_image: Callable[..., Image]
) -> None:
    image = services.public_images.get_image_by_guid(make_image("public").guid)
    assert services.public_images.read_content(image) == PNG


def test_the_path_of_the_file_is_absolute_and_holds_the_image(
    services: Services, make_image: Callable[..., Image]
) -> None:
    path = Path(services.public_images.get_image_file(make_image("public").guid))
    assert path.is_absolute()
    assert path.read_bytes() == PNG


def test_an_image_whose_file_is_gone_is_still_listed_and_described(
    services: Services, make_image: Callable[..., Image]
) -> None:
    image = make_image("public")
    Path(services.public_images.get_image_file(image.guid)).unlink()
    assert services.public_images.list_images(1).images[0].guid == image.guid
    assert services.public_images.get_image_by_guid(image.guid).sha256 == image.sha256


def test_an_image_whose_file_is_gone_is_damaged(
    services: Services, make_image: Callable[..., Image]
) -> None:
    guid = make_image("public").guid
    Path(services.public_images.get_image_file(guid)).unlink()
    with pytest.raises(ContentDamagedError):
        services.public_images.read_image(guid)


def test_an_image_whose_file_was_changed_is_damaged(
    services: Services, make_image: Callable[..., Image]
) -> None:
    guid = make_image("public").guid
    Path(services.public_images.get_image_file(guid)).write_bytes(PNG[:-1] + b"\0")
    with pytest.raises(ContentDamagedError):
        services.public_images.read_image(guid)


def test_an_image_deleted_while_it_is_read_is_not_found(
    make_image: Callable[..., Image],
    tmp_path: Path,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    guid = make_image("public").guid
    database = open_database(database_url)
    images = ImageRepository(database)

    class DeletedMeanwhile(FileStore):
        def read(self, image: ImageDetail) -> bytes:
            images.delete_image(image.guid, "ann")
            self.delete(image.filename)
            return super().read(image)

    content = DeletedMeanwhile(tmp_path / "images")
    thumbnails = Thumbnails(content)
    reader = PublicImageService(database, images, content, thumbnails)
    try:
        with pytest.raises(RecordNotFoundError):
            reader.read_image(guid)
    finally:
        database.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_damaged_file_is_logged_with_its_image(
    services: Services, make_image: Callable[..., Image], caplog: pytest.LogCaptureFixture
) -> None:
    guid = make_image("public").guid
    Path(services.public_images.get_image_file(guid)).unlink()
    with pytest.raises(ContentDamagedError):
        services.public_images.read_image(guid)
    assert f"the file of image {guid} is missing or damaged" in caplog.text


@pytest.mark.parametrize("method", ["get_image_by_guid", "get_image_file", "read_image"])
def test_an_image_that_does_not_exist_is_not_found(services: Services, method: str) -> None:
    with pytest.raises(RecordNotFoundError):
        getattr(services.public_images, method)(ABSENT)


@pytest.mark.parametrize("method", ["get_image_by_guid", "get_image_file", "read_image"])
def test_a_guid_is_validated_before_anything_is_read(services: Services, method: str) -> None:
    with pytest.raises(InvalidInputError):
        getattr(services.public_images, method)("../../etc/passwd")
