"""Answers that hold an image in a way that no documentation tells: each has been paid for."""

import pytest

from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.generator import OpenAIGenerator
from provider import Provider
from provider_events import PARTIALS
from provider_oddities import ODD_ANSWERS, ODD_EVENTS, ODD_PNG


def open_generator(provider: Provider, behaviour: str, partial_images: int) -> OpenAIGenerator:
    provider.behave(behaviour)
    return OpenAIGenerator(
        "sk-secret-of-the-server",
        base_url=provider.base_url,
        model="gpt-image-2.6-flare",
        timeout=20,
        partial_images=partial_images,
    )


@pytest.mark.parametrize("behaviour", ODD_ANSWERS)
def test_an_image_is_taken_however_it_is_wrapped(provider: Provider, behaviour: str) -> None:
    for partial_images in (0, 2):
        generator = open_generator(provider, behaviour, partial_images)
        image = generator.generate(ImageOrder("a fox", "ann"))
        assert (image.content, image.media_type) == (ODD_PNG, "image/png")
        assert (image.width, image.height) == (67, 47)


@pytest.mark.parametrize("behaviour", ODD_EVENTS)
def test_an_image_is_taken_however_its_events_are_written(
    provider: Provider, behaviour: str
) -> None:
    shown: list[bytes] = []
    generator = open_generator(provider, behaviour, 2)
    image = generator.generate(ImageOrder("a fox", "ann"), shown.append)
    assert image.content == ODD_PNG
    assert shown == list(PARTIALS[:2])


@pytest.mark.parametrize("stream_type", ["application/json", "text/html", ""])
@pytest.mark.parametrize("behaviour", ["events_named_only", "events_untyped", "events_cr"])
def test_a_stream_of_another_type_is_read_in_the_same_way(
    provider: Provider, behaviour: str, stream_type: str
) -> None:
    provider.stream_type = stream_type
    shown: list[bytes] = []
    generator = open_generator(provider, behaviour, 2)
    assert generator.generate(ImageOrder("a", "ann"), shown.append).content == ODD_PNG
    assert shown == list(PARTIALS[:2])
