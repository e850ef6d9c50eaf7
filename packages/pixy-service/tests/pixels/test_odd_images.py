"""Odd image files: their sizes, and thumbnails that look like them."""

import io
import itertools

import pytest
from PIL import Image as Picture

from odd_image import OddImage
from odd_images import ODD_IMAGES
from pixy_service.pixels.inspection import inspect_image
from pixy_service.pixels.shrinking import THUMBNAIL_TYPES, shrink

each_image = pytest.mark.parametrize("image", ODD_IMAGES.values(), ids=list(ODD_IMAGES))


@each_image
def test_inspection_tells_the_size_that_people_see(image: OddImage) -> None:
    assert inspect_image(image.content) == (image.media_type, *image.size)


@each_image
def test_a_thumbnail_of_each_type_looks_like_its_original(image: OddImage) -> None:
    for media_type, width in itertools.product(THUMBNAIL_TYPES, (160, 1280)):
        content = shrink(image.content, image.media_type, width, media_type)
        with Picture.open(io.BytesIO(content)) as thumbnail:
            assert thumbnail.get_format_mimetype() == media_type
            assert "icc_profile" not in thumbnail.info
            assert thumbnail.size == image.size_at(width)
            image.check(thumbnail.convert("RGBA"))
