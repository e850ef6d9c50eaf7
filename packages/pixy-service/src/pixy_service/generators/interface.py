"""The interface of image generators."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

from pixy_core import ImageRequest, InvalidInputError, Purchase
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


def check_model(model: str | None, models: tuple[str, ...]) -> None:
    """Return if a request names no model, or one of these.

    Raises:
        InvalidInputError: It names another one.
    """
    if model is not None and model not in models:
        raise InvalidInputError(((("model",), f"must be one of {', '.join(models)}"),))


class ModelInfo(NamedTuple):
    """A model of a provider.

    Attributes:
        id: Its name.
        shutdown_date: The first day on which it is gone; None if none is known.
    """

    id: str
    shutdown_date: date | None = None


class SourceFile(NamedTuple):
    """The file of an image that another one is made from; it has been decoded and checked.

    Attributes:
        path: The file. It stays until `generate` returns.
        media_type: `image/png`, `image/jpeg` or `image/webp`, by the bytes.
        width: Pixels.
        height: Pixels.
    """

    path: Path
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class ImageOrder:
    """What a generator is to make.

    Attributes:
        prompt: 1 to 32,000 characters.
        user: The name of the user who asks; it does not leave this process unhashed.
        size: `auto`, or width and height as in `ImageRequest`.
        quality: One of `Quality`.
        model: One of the generator's models; None for its own.
        background: One of `Background`; None to leave it to the model.
        output_format: One of `OutputFormat`.
        output_compression: Per cent, for JPEG and WebP; None to leave it to the model.
        moderation: One of `Moderation`; None to leave it to the provider.
        partial_images: Number of partial images, 0 to MAX_PARTIALS; None for the generator's own.
        sources: Files that the image is made from, in order; none to draw a new one.
        mask: A PNG as large as the first source; only its transparent area is redrawn.
    """

    prompt: str
    user: str
    size: str = AUTO
    quality: str = AUTO
    model: str | None = None
    background: str | None = None
    output_format: str = "png"
    output_compression: int | None = None
    moderation: str | None = None
    partial_images: int | None = None
    sources: tuple[SourceFile, ...] = ()
    mask: SourceFile | None = None


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
        purchase: What was asked, and what the provider reported; None without a provider.
        provider_seconds: From the request to the whole answer; None without a provider.
    """

    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    generator: str
    model: str
    purchase: Purchase | None = None
    provider_seconds: float | None = None


@dataclass
class ProviderCall:
    """One request to a provider, without prompt, user and key.

    Attributes:
        provider: The provider's name, such as `openai`.
        method: `POST`.
        path: Which operation, such as `/v1/images/generations`; the same for every base URL.
        host: The provider's host.
        port: Its port; None for the usual one.
        model: The model that is asked.
        status: The status of the answer; None until its head has arrived.
    """

    provider: str
    method: str
    path: str
    host: str
    port: int | None
    model: str
    status: int | None = None


ObserveCall = Callable[[ProviderCall], AbstractContextManager[object]]
"""Returns a context that lasts as long as a call; a failed one leaves it with the exception."""


class ImageGenerator(Protocol):
    """Makes images; one object serves many threads."""

    @property
    def name(self) -> str:
        """The generator's name, as in PIXY_GENERATOR."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that a request may name, the generator's own first."""

    def list_provider_models(self) -> list[ModelInfo]:
        """Ask the provider for its models, within seconds and without cost.

        Empty without a provider, and if it can't be asked or does not tell.
        """

    def check(self, request: ImageRequest) -> None:
        """Return if the model supports the options of a request, without asking the provider.

        Raises:
            InvalidInputError: It does not, or the model is not one of `models`.
        """

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        """Make one image, and pay for it at most once.

        Args:
            order: What to make.
            on_partial: Called with partial images, if the generator makes any.

        Raises:
            GenerationError: There is no image, or it is unknown whether there is one.
        """

    def close(self) -> None:
        """Release all resources."""
