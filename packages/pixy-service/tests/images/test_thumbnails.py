"""Thumbnails of stored images: which are made, and when one is made again."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import ContentDamagedError, Image, InvalidInputError, RecordNotFoundError
from pixy_data import FileStore
from pixy_service import PrivateImageService
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.pixels.shrinking import VERSION, WEBP


def list_thumbnails(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "thumbnails").rglob("*.*"))


def test_a_thumbnail_is_made_once_then_found(
    anns: PrivateImageService, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    image = make_image()
    assert anns.find_thumbnail(image, 160, WEBP) is None
    made = anns.make_thumbnail(image, 160, WEBP)
    assert anns.find_thumbnail(image, 160, WEBP) == made
    (path,) = (tmp_path / "thumbnails").rglob("*.webp")
    inode = path.stat().st_ino
    assert anns.make_thumbnail(image, 160, WEBP) == made
    assert path.stat().st_ino == inode


def test_the_name_has_the_width_that_the_picture_has(
    anns: PrivateImageService, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    image = make_image()
    anns.make_thumbnail(image, 1280, WEBP)
    assert list_thumbnails(tmp_path) == [
        f"{image.guid}.{min(1280, image.width or 0)}.{VERSION}.webp"
    ]


@pytest.mark.parametrize(
    ("width", "media_type"), [(161, WEBP), (0, WEBP), ("160", WEBP), (160, "image/png")]
)
def test_other_widths_and_types_are_refused(
    anns: PrivateImageService, make_image: Callable[..., Image], width: int, media_type: str
) -> None:
    image = make_image()
    for ask in (anns.find_thumbnail, anns.make_thumbnail):
        with pytest.raises(InvalidInputError):
            ask(image, width, media_type)


def test_a_thumbnail_of_an_older_version_is_made_again(
    anns: PrivateImageService, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    image = make_image()
    made = anns.make_thumbnail(image, 160, WEBP)
    (path,) = (tmp_path / "thumbnails").rglob("*.webp")
    times = path.stat()
    for older in (f".{VERSION - 1}.webp", ".webp"):
        old = path.with_name(path.name.replace(f".{VERSION}.webp", older))
        path.rename(old)
        old.write_bytes(b"drawn wrongly")
        os.utime(old, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert anns.find_thumbnail(image, 160, WEBP) is None
        assert anns.make_thumbnail(image, 160, WEBP) == made
        assert list_thumbnails(tmp_path) == [path.name]


def test_an_image_that_was_deleted_meanwhile_leaves_no_thumbnail(
    anns: PrivateImageService, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    image = make_image()
    anns.make_thumbnail(image, 160, WEBP)
    anns.delete_image(image.guid)
    assert anns.find_thumbnail(image, 160, WEBP) is None
    with pytest.raises(RecordNotFoundError):
        anns.make_thumbnail(image, 160, WEBP)
    assert list_thumbnails(tmp_path) == []


def test_a_thumbnail_that_was_finished_after_its_image_is_removed(
    anns: PrivateImageService, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    image = make_image()

    def read_then_delete(image: Image) -> bytes:
        content = anns.read_content(image)
        anns.delete_image(image.guid)
        return content

    thumbnails = Thumbnails(FileStore(tmp_path / "images"))
    assert thumbnails.make(image, 160, WEBP, read_then_delete)
    assert list_thumbnails(tmp_path) == []


def test_a_damaged_original_has_no_thumbnail_any_more(
    anns: PrivateImageService,
    make_image: Callable[..., Image],
    list_files: Callable[[], list[Path]],
) -> None:
    image = make_image()
    anns.make_thumbnail(image, 160, WEBP)
    (path,) = list_files()
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert anns.find_thumbnail(image, 160, WEBP) is None
    with pytest.raises(ContentDamagedError):
        anns.make_thumbnail(image, 160, WEBP)
