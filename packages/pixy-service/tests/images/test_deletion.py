import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import Image, RecordNotFoundError
from pixy_service import PrivateImageService


def test_a_deleted_image_is_not_found(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    guid = make_image().guid
    anns.delete_image(guid)
    with pytest.raises(RecordNotFoundError):
        anns.get_image_by_guid(guid)


def test_a_deleted_image_leaves_no_file(
    anns: PrivateImageService,
    make_image: Callable[..., Image],
    list_files: Callable[[], list[Path]],
) -> None:
    anns.delete_image(make_image().guid)
    assert list_files() == []


def test_a_second_delete_finds_nothing(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    guid = make_image().guid
    anns.delete_image(guid)
    with pytest.raises(RecordNotFoundError):
        anns.delete_image(guid)


def test_an_image_whose_file_is_gone_can_be_deleted(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    guid = make_image().guid
    Path(anns.get_image_file(guid)).unlink()
    anns.delete_image(guid)
    with pytest.raises(RecordNotFoundError):
        anns.get_image_by_guid(guid)


def test_a_file_that_can_t_be_removed_is_logged_and_its_image_is_deleted(
    anns: PrivateImageService,
    make_image: Callable[..., Image],
    caplog: pytest.LogCaptureFixture,
) -> None:
    guid = make_image().guid
    path = Path(anns.get_image_file(guid))
    path.unlink()
    # unlink refuses a folder, for root as well
    path.mkdir()
    anns.delete_image(guid)
    assert anns.get_all_images() == []
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [guid in record.getMessage() for record in errors] == [True]
