"""Image details to store in tests."""

import uuid

from pixy_core import ImageDetail, Visibility


def make_detail(
    prompt: str = "a lighthouse at dusk",
    visibility: Visibility = Visibility.PRIVATE,
    guid: str | None = None,
) -> ImageDetail:
    """Return the details of an image that is not stored yet."""
    guid = guid or str(uuid.uuid4())
    return ImageDetail(
        prompt=prompt,
        visibility=visibility,
        guid=guid,
        filename=f"{guid}.png",
        media_type="image/png",
        width=1024,
        height=768,
        size=1_500_000,
        sha256="5" * 64,
        generator="sketch",
        model="sketch-1",
    )
