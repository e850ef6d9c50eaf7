"""What every image generator offers, and what it gives back."""

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
    """Show a picture to nobody."""
    del content


@dataclass(frozen=True)
class GeneratedImage:
    """A decodable image, byte for byte as the generator made it.

    Attributes:
        content: The file's bytes.
        media_type: image/png, image/jpeg or image/webp; what the bytes are.
        width: Pixels.
        height: Pixels.
        generator: The generator's name, such as "openai".
        model: The generator's model.
    """

    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    generator: str
    model: str


class ImageGenerator(Protocol):
    """Draws images; one object serves many threads."""

    @property
    def name(self) -> str:
        """The generator's name, as PIXY_GENERATOR has it."""

    def check(self, size: str, quality: str) -> None:
        """Return if the model can draw so; the provider is not asked.

        Args:
            size: `auto`, or width and height as `ImageRequest` has them.
            quality: One of `Quality`.

        Raises:
            InvalidInputError: It can't.
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
        """Draw one image, and pay for it at most once.

        Args:
            prompt: 1 to 32,000 characters.
            user: The name of the user who asks; it never leaves this process as it is.
            size: As for `check`.
            quality: As for `check`.
            on_partial: Is shown what is there on the way, if the generator was told to.

        Raises:
            GenerationError: No image was made, or whether one was is unknown.
        """

    def close(self) -> None:
        """Release what the generator holds; nothing may be generated afterwards."""
