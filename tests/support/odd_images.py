"""Odd but legal image files, each with the picture that a browser shows of it."""

from odd_image import OddImage
from odd_jpegs import list_jpegs
from odd_pngs import list_pngs
from odd_profiles import list_profiles
from odd_webps import list_webps

ODD_IMAGES: dict[str, OddImage] = {
    image.name: image
    for list_part in (list_pngs, list_jpegs, list_webps, list_profiles)
    for image in list_part()
}
"""By name."""
