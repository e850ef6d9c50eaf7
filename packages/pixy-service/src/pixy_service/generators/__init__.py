"""Image generators, each in a module of its own, and the choice of one by name.

Nothing here imports a provider's SDK before an image is asked for.
"""

from urllib.parse import urlsplit

from pixy_core import ConfigurationError
from pixy_service.generators.interface import MAX_PARTIALS, GeneratedImage, ImageGenerator
from pixy_service.generators.openai import OpenAIGenerator
from pixy_service.generators.sketch import SketchGenerator

__all__ = [
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
DEFAULT_OPENAI_BASE_URL = "https://api.openai.com/v1"


def build_generator(
    name: str,
    *,
    api_key: str | None,
    base_url: str | None,
    model: str,
    timeout: float,
    partial_images: int = 0,
) -> ImageGenerator:
    """Build the generator that a setting names; nothing is connected yet.

    Args:
        name: One of GENERATOR_NAMES.
        api_key: OpenAI's key; the sketch needs none.
        base_url: Where OpenAI's API is; None for the public one.
        model: OpenAI's model.
        timeout: Seconds that one image may take in all.
        partial_images: Unfinished pictures to be shown of each, 0 to MAX_PARTIALS.

    Raises:
        ConfigurationError: No such generator, or the key is missing or can't be a key.
    """
    if name == "sketch":
        return SketchGenerator(partial_images)
    if name != "openai":
        raise ConfigurationError(
            "PIXY_GENERATOR names no generator: set PIXY_GENERATOR=openai or PIXY_GENERATOR=sketch"
        )
    key, url = _check_key(api_key), _check_base_url(base_url or DEFAULT_OPENAI_BASE_URL)
    return OpenAIGenerator(
        api_key=key, base_url=url, model=model, timeout=timeout, partial_images=partial_images
    )


def _check_key(api_key: str | None) -> str:
    if not api_key:
        raise ConfigurationError(
            "OPENAI_API_KEY is missing: set OPENAI_API_KEY to your key, "
            "or PIXY_GENERATOR=sketch to draw offline"
        )
    # anything else would break the header, and its error would show the key
    if not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ConfigurationError(
            "OPENAI_API_KEY holds a character that no key has: set OPENAI_API_KEY to your key"
        )
    return api_key


def _check_base_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(
            "OPENAI_BASE_URL is no URL of a server: set it like "
            f"OPENAI_BASE_URL={DEFAULT_OPENAI_BASE_URL}, or leave it out"
        )
    return base_url
