"""Odd image files over HTTP: cases C870 to C874."""

import io
import os

import pytest
from PIL import Image as Picture

from odd_images import ODD_IMAGES
from pixy_service import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS
from pixy_service.pixels.shrinking import VERSION
from provider import Provider
from running_service import RunningService


def check_image(service: RunningService, provider: Provider, name: str) -> dict[str, object]:
    """Make an odd image, fail if it or a thumbnail looks wrong, and return its details."""
    image, client = ODD_IMAGES[name], service.client()
    provider.answer_with(image.content)
    details = service.draw_image(service.sign_in(), visibility="public")
    assert (details["width"], details["height"]) == image.size, name
    path = f"/image/{details['guid']}/content"
    assert client.get(path).content == image.content
    for width in THUMBNAIL_WIDTHS:
        for media_type in THUMBNAIL_TYPES:
            answer = client.get(f"{path}?width={width}", headers={"Accept": media_type})
            assert answer.status_code == 200, f"{name}: {answer.text}"
            assert answer.headers["content-type"] == media_type
            picture = Picture.open(io.BytesIO(answer.content))
            assert picture.size == image.size_at(width)
            assert "icc_profile" not in picture.info
            image.check(picture.convert("RGBA"))
    return details


@pytest.mark.case("C870")
def test_width_and_height_are_those_of_the_rotated_image(
    patient: RunningService, provider: Provider
) -> None:
    for orientation in (3, 5, 6, 8):
        for media_type in ("JPEG", "PNG"):
            check_image(patient, provider, f"{media_type}: orientation {orientation}")
    for name in ("WebP: orientation 6", "PNG: orientation in XMP", "JPEG: orientation in XMP"):
        assert check_image(patient, provider, name)["width"] == 240


@pytest.mark.case("C871")
def test_broken_metadata_is_ignored(patient: RunningService, provider: Provider) -> None:
    for name in (
        *("PNG: eXIf of garbage", "PNG: eXIf of no bytes", "PNG: iCCP that is no zlib"),
        *("JPEG: EXIF of garbage", "WebP: EXIF of garbage"),
        *("PNG: RGB, profile junk", "JPEG: RGB, profile a cut", "WebP: RGB, profile no curve"),
    ):
        check_image(patient, provider, name)


@pytest.mark.case("C872")
def test_thumbnails_have_the_colours_of_the_original_in_srgb(
    patient: RunningService, provider: Provider
) -> None:
    for name in (
        *("PNG: grey, profile GRAY", "JPEG: grey, profile GRAY", "JPEG: CMYK with a profile"),
        *("JPEG: CMYK", "JPEG: YCCK", "JPEG: RGB, profile Display P3", "PNG: RGB, profile GRAY"),
        *("PNG: gamma 1 and primaries", "PNG: cICP of Display P3 over sRGB"),
    ):
        check_image(patient, provider, name)


@pytest.mark.case("C873")
def test_thumbnails_keep_transparency(patient: RunningService, provider: Provider) -> None:
    for name in ODD_IMAGES:
        if "transparent" in name or "alpha" in name:
            check_image(patient, provider, name)


@pytest.mark.case("C874")
def test_a_thumbnail_that_an_older_version_made_is_not_sent(
    patient: RunningService, provider: Provider
) -> None:
    image, client = ODD_IMAGES["PNG: grey, profile GRAY"], patient.client()
    guid = check_image(patient, provider, image.name)["guid"]
    folder, headers = patient.settings.data_dir / "thumbnails", {"Accept": "image/webp"}
    (kept,) = folder.rglob(f"{guid}.160.{VERSION}.webp")
    stamp = kept.stat().st_mtime_ns
    for older in (f"{guid}.160.{VERSION - 1}.webp", f"{guid}.160.webp"):
        wrong = kept.rename(kept.with_name(older))
        wrong.write_bytes(b"wrong")
        os.utime(wrong, ns=(stamp, stamp))
        answer = client.get(f"/image/{guid}/content?width=160", headers=headers)
        image.check(Picture.open(io.BytesIO(answer.content)).convert("RGBA"))
        assert list(folder.rglob(f"{guid}.160*.webp")) == [kept]
