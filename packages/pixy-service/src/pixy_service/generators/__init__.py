"""Image generators, each in a module of its own, and the choice of one by name.

Nothing here imports a provider's SDK before its generator is asked for.
"""

from pixy_core import ConfigurationError

from pixy_service.generators.interface import GeneratedImage, ImageGenerator
from pixy_service.generators.sketch import SketchGenerator

__all__ = [
    "DEFAULT_OPENAI_BASE_URL",
    "DEFAULT_OPENAI_MODEL",
    "GENERATOR_NAMES",
    "GeneratedImage",
    "ImageGenerator",
    "build_generator",
]

GENERATOR_NAMES = ("openai", "sketch")
DEFAULT_OPENAI_MODEL = "gpt-image-2.6-flare"
DEFAULT_OPENAI_BASE_URL = "https://api.openai.com/v1"


def build_generator(
    name: str, *, api_key: str | None, base_url: str | None, model: str, timeout: float
) -> ImageGenerator:
    """Build the generator that a setting names; nothing is connected yet.

    Args:
        name: One of GENERATOR_NAMES.
        api_key: OpenAI's key; the sketch needs none.
        base_url: Where OpenAI's API is; None for the public one.
        model: OpenAI's model.
        timeout: Seconds that one image may take in all.

    Raises:
        ConfigurationError: No such generator, or the key is missing or can't be a key.
    """
    if name == "sketch":
        return SketchGenerator()
    if name != "openai":
        raise ConfigurationError(
            f"PIXY_GENERATOR must be one of {', '.join(GENERATOR_NAMES)}; "
            "set PIXY_GENERATOR=openai or PIXY_GENERATOR=sketch"
        )
    if not api_key:
        raise ConfigurationError(
            "OPENAI_API_KEY is missing: set OPENAI_API_KEY to your key, "
            "or PIXY_GENERATOR=sketch to draw offline"
        )
    if not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ConfigurationError(
            "OPENAI_API_KEY holds a space or a character that no key has: "
            "set OPENAI_API_KEY to your key again"
        )
    from pixy_service.generators.openai import OpenAIGenerator

    return OpenAIGenerator(
        api_key=api_key,
        base_url=base_url or DEFAULT_OPENAI_BASE_URL,
        model=model,
        timeout=timeout,
    )
