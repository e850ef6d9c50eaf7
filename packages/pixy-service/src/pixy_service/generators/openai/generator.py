"""The generator for OpenAI's Images API: at most one paid request for each image."""

import asyncio
import logging
import time
from collections.abc import Mapping
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pixy_core.images import AUTO
from pixy_service.generators.interface import GeneratedImage, OnPartial, ignore_partial
from pixy_service.generators.openai.client_settings import (
    check_base_url,
    check_environment,
    check_key,
)
from pixy_service.generators.openai.options import check_options
from pixy_service.generators.openai.sending import explain_unsent
from pixy_service.pixels.decoding import decode_in_turn

if TYPE_CHECKING:
    from pixy_service.generators.openai.exchange import Exchange

logger = logging.getLogger(__name__)

_NAME = "openai"

DEFAULT_OPENAI_MODEL = "gpt-image-2.6-flare"


class OpenAIGenerator:
    """Makes images with one of OpenAI's models.

    Each image has its own connection. A kept connection could break during a request, and nobody
    would know whether that was billed.

    Args:
        api_key: The account's key.
        base_url: The URL of the API; None for https://api.openai.com/v1.
        model: The model. It is always named, because the provider's default is shut down.
        timeout: Seconds for one image, from the first connection attempt to the last byte.
        partial_images: Number of partial images to ask for, 0 to MAX_PARTIALS; each costs output
            tokens.
        environment: The variables of CLIENT_VARIABLES that are set; the SDK reads them itself.

    Raises:
        ConfigurationError: The key, the URL or a variable can't be used.
    """

    name = _NAME

    def __init__(
        self,
        api_key: str | None,
        *,
        base_url: str | None = None,
        model: str = DEFAULT_OPENAI_MODEL,
        timeout: float = 180.0,
        partial_images: int = 0,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        key, url = check_key(api_key), check_base_url(base_url)
        check_environment(environment, url)
        self._model = model
        self._timeout = timeout
        self._partial_images = partial_images
        self._settings: dict[str, Any] = {
            "api_key": key,
            "base_url": url,
            "timeout": timeout,
            "partial_images": partial_images,
        }

    def check(self, size: str, quality: str) -> None:
        """Return if the model supports a size and quality, as far as its name tells.

        Raises:
            InvalidInputError: It does not.
        """
        check_options(self._model, size, quality)

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
            user: The name of the user who asks; the provider gets a hash of it.
            size: As for `ImageGenerator.check`.
            quality: As for `ImageGenerator.check`.
            on_partial: Called with each partial image.

        Raises:
            PromptRejectedError: The provider's moderation refused the prompt.
            GeneratorRequestError: The provider refused the request for another reason.
            GeneratorKeyError: It refused the key.
            GeneratorQuotaError: The account has no budget left.
            GeneratorOverloadedError: It asks us to slow down.
            GeneratorUnreachableError: No connection was made.
            GeneratorClientError: The request could not be sent.
            GenerationTimeoutError: The deadline passed.
            GenerationUnknownError: The exchange broke off.
            ImageRejectedError: It made an image, and its moderation withheld it.
            GeneratorResponseError: The answer has no usable image.
            ImageNotStoredError: It has one, and there is not enough memory to decode it.
        """
        deadline = time.monotonic() + self._timeout
        # an event loop of its own gives the call a deadline that no dripping body outlives
        given = {"size": size, "quality": quality}
        options: dict[str, Any] = {name: value for name, value in given.items() if value != AUTO}
        options |= {"model": self._model}
        if self._partial_images:
            options |= {"stream": True, "partial_images": self._partial_images}
        exchange, runner = self._open_exchange()
        try:
            answer, failure = runner.run(exchange.request(prompt, user, options, on_partial))
        finally:
            _close(runner)
        picture = decode_in_turn(partial(answer.conclude, failure), deadline, answer.received)
        return GeneratedImage(picture.content, *picture.properties, _NAME, self._model)

    def close(self) -> None:
        """Do nothing: no connection outlives its image."""

    def _open_exchange(self) -> "tuple[Exchange, asyncio.Runner]":
        """Return the exchange and its event loop; both need memory and descriptors."""
        try:
            exchange, runner = self._exchange, asyncio.Runner()
            runner.get_loop()
        except Exception as error:
            raise explain_unsent(error) from error
        return exchange, runner

    @cached_property
    def _exchange(self) -> "Exchange":
        # the SDK takes as long to import as all else: the first image waits, and no start
        from pixy_service.generators.openai.exchange import Exchange  # noqa: PLC0415

        return Exchange(**self._settings)


def _close(runner: asyncio.Runner) -> None:
    try:
        runner.close()
    except Exception as error:  # noqa: BLE001 - the answer is there, and has been paid for
        # it takes a thread to end the one that has looked up the provider's name
        logger.warning("the exchange's event loop could not be closed: %r", error)
