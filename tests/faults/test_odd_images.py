"""Rotated images, and images with broken metadata: rows F47 and F48."""

import pytest

from deployment import Deployment
from odd_images import ODD_IMAGES


def make_odd_image(deployment: Deployment, name: str) -> tuple[str, tuple[int, int]]:
    """Return the path of a new odd image, and the width and height of its details."""
    deployment.provider.answer_with(ODD_IMAGES[name].content)
    answer = deployment.post(f"odd: {name}")
    assert answer.status_code == 201, answer.text
    details = answer.json()
    return f"/image/{details['guid']}", (details["width"], details["height"])


@pytest.mark.fault("F47")
def test_a_rotated_image_has_its_visible_size(deployment: Deployment) -> None:
    with deployment.client() as ada:
        for name in ("JPEG: orientation 6", "PNG: orientation 6", "WebP: orientation 6"):
            path, size = make_odd_image(deployment, name)
            assert size == ODD_IMAGES[name].size, name
            assert ada.get(f"{path}/content").content == ODD_IMAGES[name].content
    deployment.provider.behave("png")


@pytest.mark.fault("F48")
def test_an_image_with_broken_metadata_has_thumbnails_of_every_width(
    deployment: Deployment,
) -> None:
    broken = [
        *("PNG: eXIf of garbage", "PNG: zTXt of more than 1 MiB", "PNG: empty iCCP"),
        *("JPEG: EXIF cut short", "JPEG: CMYK with a broken profile", "WebP: EXIF of garbage"),
    ]
    with deployment.client() as ada:
        for name in broken:
            path, _ = make_odd_image(deployment, name)
            for media_type in ("image/webp", "image/avif"):
                accepted = {"Accept": media_type}
                answer = ada.get(f"{path}/content?width=160", headers=accepted)
                assert answer.status_code == 200, name
                assert answer.headers["content-type"] == media_type
    deployment.provider.behave("png")
