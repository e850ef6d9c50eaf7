"""The interface of image generators."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pixy_core.images import AUTO

OnPartial = Callable[[bytes], object]
"""Called with the bytes of a partial image, which nobody has checked.

It returns at once and raises nothing: the finished picture is what is paid for.
"""

MAX_PARTIALS = 3
"""As many as OpenAI's `partial_images` may be."""


def ignore_partial(content: bytes) -> None:
    """Ignore a partial image."""
    del content


@dataclass(frozen=True)
class GeneratedImage:
    """An image as the generator made it; its bytes can be decoded.

    Attributes:
        content: The file's bytes.
        media_type: `image/png`, `image/jpeg` or `image/webp`, by the bytes.
        width: Pixels.
        height: Pixels.
        generator: The generator's name, such as `openai`.
        model: The generator's model.
    """

    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    generator: str
    model: str


class ImageGenerator(Protocol):
    """Makes images; one object serves many threads."""

    @property
    def name(self) -> str:
        """The generator's name, as in PIXY_GENERATOR."""

    def check(self, size: str, quality: str) -> None:
        """Return if the model supports a size and quality, without asking the provider.

        Args:
            size: `auto`, or width and height as in `ImageRequest`.
            quality: One of `Quality`.

        Raises:
            InvalidInputError: It does not.
        """

    def generate(
        self,
        prompt: str,
        *,
        user: str,
        size: str = AUTO,
        quality: str = AUTO,
        on_partial: OnPartial = ignore_partial,
    ) -> GeneratedImage:
        """Make one image, and pay for it at most once.

        Args:
            prompt: 1 to 32,000 characters.
            user: The name of the user who asks; it does not leave this process unhashed.
            size: As for `check`.
            quality: As for `check`.
            on_partial: Called with partial images, if the generator makes any.

        Raises:
            GenerationError: There is no image, or it is unknown whether there is one.
        """

    def close(self) -> None:
        """Release all resources."""
