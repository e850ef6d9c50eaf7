"""Image generators, each in a module of its own, and the choice of one by name.

Nothing here imports a provider's SDK before an image is asked for.
"""

from collections.abc import Mapping
from types import MappingProxyType

from pixy_core import ConfigurationError
from pixy_service.generators.interface import MAX_PARTIALS, GeneratedImage, ImageGenerator
from pixy_service.generators.openai.client_settings import (
    CLIENT_VARIABLES,
    DEFAULT_OPENAI_BASE_URL,
    check_base_url,
    check_environment,
    check_key,
)
from pixy_service.generators.openai.generator import OpenAIGenerator
from pixy_service.generators.sketch.generator import SketchGenerator

__all__ = [
    "CLIENT_VARIABLES",
    "DEFAULT_OPENAI_BASE_URL",
    "DEFAULT_OPENAI_MODEL",
    "GENERATOR_NAMES",
    "MAX_PARTIALS",
    "GeneratedImage",
    "ImageGenerator",
    "build_generator",
]

GENERATOR_NAMES = ("openai", "sketch")
DEFAULT_OPENAI_MODEL = "gpt-image-2.6-flare"


def build_generator(
    name: str,
    *,
    api_key: str | None,
    base_url: str | None,
    model: str,
    timeout: float,
    partial_images: int = 0,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> ImageGenerator:
    """Build the generator that a setting names; nothing is connected yet.

    Args:
        name: One of GENERATOR_NAMES.
        api_key: OpenAI's key; the sketch needs none.
        base_url: Where OpenAI's API is; None for the public one.
        model: OpenAI's model.
        timeout: Seconds that one image may take in all.
        partial_images: Unfinished pictures to be shown of each, 0 to MAX_PARTIALS.
        environment: Those of CLIENT_VARIABLES that are set; the client reads them itself.

    Raises:
        ConfigurationError: No such generator, or the provider can't be asked with this key, URL
            or environment.
    """
    if name == "sketch":
        return SketchGenerator(partial_images)
    if name != "openai":
        raise ConfigurationError(
            "PIXY_GENERATOR names no generator: set PIXY_GENERATOR=openai or PIXY_GENERATOR=sketch"
        )
    key, url = check_key(api_key), check_base_url(base_url)
    check_environment(environment, url)
    return OpenAIGenerator(
        api_key=key, base_url=url, model=model, timeout=timeout, partial_images=partial_images
    )
