"""What a model's name says of its options, and which of them are sent."""

import pytest

from pixy_core import ImageRequest, InvalidInputError
from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.generator import OpenAIGenerator
from pixy_service.generators.openai.options import check_options, describe_options
from pixy_service.generators.sketch import SketchGenerator
from provider import Provider


@pytest.mark.parametrize(
    ("model", "size", "quality"),
    [
        *(
            (model, size, "high")
            for model in ("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2")
            for size in ("auto", "1024x1024", "1536x1024", "1024x1536")
        ),
        ("gpt-image-2", "1536x864", "auto"),
        ("gpt-image-2-2026-04-21", "1536x864", "low"),
        ("gpt-image-2.5-flare", "1536x864", "xhigh"),
        ("gpt-image-2.6-sunburst", "3840x2160", "max"),
        ("gpt-image-3", "1536x864", "max"),
        ("gpt-image-10.1", "1536x864", "max"),
        ("chatgpt-image-latest", "1536x864", "max"),
        ("another", "1536x864", "max"),
    ],
)
def test_supported_options_are_accepted(model: str, size: str, quality: str) -> None:
    check_options(model, ImageRequest(prompt="x", size=size, quality=quality))


@pytest.mark.parametrize(
    ("model", "size", "quality", "refused"),
    [
        ("gpt-image-1", "1536x864", "high", {"size"}),
        ("gpt-image-1.5", "1024x1024", "max", {"quality"}),
        ("gpt-image-1-mini", "1536x864", "xhigh", {"size", "quality"}),
        ("gpt-image-2", "1536x864", "xhigh", {"quality"}),
        ("gpt-image-2-2026-04-21", "auto", "max", {"quality"}),
    ],
)
def test_an_unsupported_option_is_named_in_the_error(
    model: str, size: str, quality: str, refused: set[str]
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_options(model, ImageRequest(prompt="x", size=size, quality=quality))
    assert {where[0] for where, _ in caught.value.errors} == refused


def test_the_sketch_accepts_all_options() -> None:
    SketchGenerator().check(ImageRequest(prompt="x", size="1536x864", quality="max"))


def test_an_option_is_sent_if_it_is_chosen_and_is_not_auto() -> None:
    assert describe_options(ImageOrder("x", "ann"), "m", 0) == {
        "model": "m",
        "output_format": "png",
    }
    order = ImageOrder("x", "ann", background="auto", moderation="auto", size="auto")
    assert describe_options(order, "m", 0) == {"model": "m", "output_format": "png"}
    order = ImageOrder(
        "x",
        "ann",
        background="transparent",
        output_format="webp",
        output_compression=0,
        moderation="low",
    )
    assert describe_options(order, "m", 0) == {
        "model": "m",
        "output_format": "webp",
        "output_compression": 0,
        "background": "transparent",
        "moderation": "low",
    }


def test_a_request_names_one_of_the_generator_s_models(provider: Provider) -> None:
    generator = OpenAIGenerator(
        "k",
        base_url=provider.base_url,
        model="gpt-image-2",
        further_models=["other", "gpt-image-2"],
    )
    assert generator.models == ("gpt-image-2", "other")
    generator.check(ImageRequest(prompt="x", model="other", quality="max"))
    for refused in ({"model": "gpt-image-3"}, {"model": "gpt-image-2", "quality": "max"}):
        with pytest.raises(InvalidInputError):
            generator.check(ImageRequest(prompt="x", **refused))
    made = [generator.generate(ImageOrder("x", "ann", model=name)) for name in (None, "other")]
    assert [image.model for image in made] == ["gpt-image-2", "other"]
    assert [request.body["model"] for request in provider.requests] == ["gpt-image-2", "other"]


@pytest.mark.parametrize(("own", "ordered", "sent"), [(2, None, 2), (2, 0, None), (0, 3, 3)])
def test_an_order_decides_on_partial_images_before_the_generator(
    provider: Provider, own: int, ordered: int | None, sent: int | None
) -> None:
    shown: list[bytes] = []
    generator = OpenAIGenerator("k", base_url=provider.base_url, partial_images=own)
    generator.generate(ImageOrder("x", "ann", partial_images=ordered), shown.append)
    body = provider.requests[0].body
    assert (body.get("partial_images"), body.get("stream", False)) == (sent, sent is not None)
    assert len(shown) == (sent or 0)
