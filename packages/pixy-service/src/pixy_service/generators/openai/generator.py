"""The generator for OpenAI's Images API: at most one paid request for each image."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pixy_core import ImageRequest, Purchase
from pixy_service.generators.interface import (
    GeneratedImage,
    ImageOrder,
    ModelInfo,
    ObserveCall,
    OnPartial,
    check_model,
    ignore_partial,
)
from pixy_service.generators.openai.client_settings import (
    check_base_url,
    check_environment,
    check_key,
)
from pixy_service.generators.openai.models import fetch_models
from pixy_service.generators.openai.options import check_options, describe_options
from pixy_service.generators.openai.refusals import explain_unsent
from pixy_service.generators.openai.reports import read_request_id
from pixy_service.pixels.inspection import decode_in_turn

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
        model: The model of requests that name none.
        further_models: Others that a request may name.
        timeout: Seconds for one image, from the first connection attempt to the last byte.
        partial_images: Number of partial images to ask for if an order does not tell, 0 to
            MAX_PARTIALS; each costs output tokens.
        environment: The variables of CLIENT_VARIABLES that are set; the SDK reads them itself.
        observe_call: Told of each request for an image; None: not observed.

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
        further_models: Sequence[str] = (),
        timeout: float = 180.0,
        partial_images: int = 0,
        environment: Mapping[str, str] = MappingProxyType({}),
        observe_call: ObserveCall | None = None,
    ) -> None:
        key, url = check_key(api_key), check_base_url(base_url)
        check_environment(environment, url)
        self._models = tuple(dict.fromkeys((model, *further_models)))
        self._timeout = timeout
        self._partial_images = partial_images
        self._settings: dict[str, Any] = {
            "api_key": key,
            "base_url": url,
            "timeout": timeout,
            "observe_call": observe_call,
        }

    @property
    def models(self) -> tuple[str, ...]:
        """The models that a request may name, the usual one first."""
        return self._models

    def list_provider_models(self) -> list[ModelInfo]:
        """Ask the provider for its models; empty if it can't be asked or does not tell."""
        try:
            # not the one for images: what it can't open may be there when the first is asked for
            exchange, runner = self._build_exchange(), asyncio.Runner()
            try:
                return runner.run(fetch_models(exchange))
            finally:
                _close(runner)
        except Exception as error:  # noqa: BLE001 - images may be made all the same
            logger.info("the provider can't be asked for its models: %s", type(error).__name__)
            return []

    def check(self, request: ImageRequest) -> None:
        """Return if the model supports the options of a request, as far as its name tells.

        Raises:
            InvalidInputError: It does not.
        """
        check_model(request.model, self.models)
        check_options(request.model or self._models[0], request)

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        """Make one image, and pay for it at most once.

        Args:
            order: What to make; the provider gets a hash of the user's name.
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
        model, partial_images = order.model or self._models[0], order.partial_images
        if partial_images is None:
            partial_images = self._partial_images
        options = describe_options(order, model, partial_images)
        # an event loop of its own gives the call a deadline that no dripping body outlives
        exchange, runner = self._open_exchange()
        asked_at = time.monotonic()
        try:
            answer, failure = runner.run(exchange.request(order, options, on_partial))
        finally:
            _close(runner)
        provider_seconds = time.monotonic() - asked_at
        picture = decode_in_turn(partial(answer.conclude, failure), deadline, answer.received)
        purchase = Purchase(
            size=str(order.size),
            quality=str(order.quality),
            reported=picture.report.choices,
            usage=picture.report.usage,
            upstream_request_id=read_request_id(answer.request_id),
        )
        return GeneratedImage(
            picture.content, *picture.properties, _NAME, model, purchase, provider_seconds
        )

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
        return self._build_exchange()

    def _build_exchange(self) -> "Exchange":
        # the SDK takes as long to import as all else, and commands that ask nobody don't need it
        from pixy_service.generators.openai.exchange import Exchange  # noqa: PLC0415

        return Exchange(**self._settings)


def _close(runner: asyncio.Runner) -> None:
    try:
        runner.close()
    except Exception as error:  # noqa: BLE001 - the answer is there, and has been paid for
        # it takes a thread to end the one that has looked up the provider's name
        logger.warning("the exchange's event loop could not be closed: %r", error)
