"""What a model's name says of the sizes and qualities that it knows."""

import pytest

from pixy_core import InvalidInputError
from pixy_service.generators.openai.options import check_options
from pixy_service.generators.sketch.generator import SketchGenerator


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
    check_options(model, size, quality)


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
        check_options(model, size, quality)
    assert {where[0] for where, _ in caught.value.errors} == refused


def test_the_sketch_accepts_all_options() -> None:
    SketchGenerator().check("1536x864", "max")
