"""The generator behind OpenAI's Images API: at most one paid request for each image.

The only module that imports the SDK. What the provider's refusals mean stands in refusals.py,
what its answers hold in replies.py, what its bytes have to be in inspection.py.
"""

import asyncio
import hashlib
import logging
import ssl
from functools import cached_property
from typing import Any

import httpx2
import openai

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorKeyError,
    GeneratorQuotaError,
    GeneratorUnreachableError,
)
from pixy_core.image_requests import AUTO
from pixy_service.generators.inspection import inspect_image
from pixy_service.generators.interface import GeneratedImage, OnPartial, ignore_partial
from pixy_service.generators.options import check_options
from pixy_service.generators.refusals import (
    classify_interruption,
    classify_refusal,
    printable_code,
    read_retry_after,
)
from pixy_service.generators.replies import Picture, holds_events, read_body, read_events

logger = logging.getLogger(__name__)

_NAME = "openai"
_CONNECT_TIMEOUT = 10.0
# no byte of the request has left before one of these
_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class OpenAIGenerator:
    """Draws with one of OpenAI's image models.

    Each image has a connection of its own: one that was kept open could break under a request
    that is then neither known to be billed nor known not to be.

    Args:
        api_key: The account's key.
        base_url: Where the API is, such as https://api.openai.com/v1.
        model: The model, which is always named: the provider's default is shut down.
        timeout: Seconds that one image may take in all, from the first connection attempt to
            the last byte.
        partial_images: How many unfinished pictures are asked for, 0 to MAX_PARTIALS; each
            costs output tokens.
    """

    name = _NAME

    def __init__(
        self, *, api_key: str, base_url: str, model: str, timeout: float, partial_images: int = 0
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._timeout = timeout
        self._partial_images = partial_images

    def check(self, size: str, quality: str) -> None:
        """Return if the model can draw so, as far as its name tells.

        Args:
            size: `auto`, or width and height as `ImageRequest` has them.
            quality: One of `Quality`.

        Raises:
            InvalidInputError: It can't.
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
        """Draw one image, and pay for it at most once.

        Args:
            prompt: 1 to 32,000 characters.
            user: The name of the user who asks; the provider gets a hash of it.
            size: As for `check`.
            quality: As for `check`.
            on_partial: Is shown as many unfinished pictures as were asked for.

        Raises:
            PromptRejectedError: The provider's moderation refused the prompt.
            GeneratorRequestError: The provider refused the request for another reason.
            GeneratorKeyError: It refused the key.
            GeneratorQuotaError: The account has no budget left.
            GeneratorOverloadedError: It asks us to slow down.
            GeneratorUnreachableError: No connection was made.
            GenerationTimeoutError: The deadline passed.
            GenerationUnknownError: The exchange broke off.
            GeneratorResponseError: The answer holds no usable image.
        """
        # an event loop of its own gives the call a deadline that no dripping body outlives
        given = {"size": size, "quality": quality}
        options: dict[str, Any] = {name: value for name, value in given.items() if value != AUTO}
        if self._partial_images:
            options |= {"stream": True, "partial_images": self._partial_images}
        picture = asyncio.run(self._request(prompt, user, options, on_partial))
        width, height = inspect_image(picture.content, picture.media_type)
        return GeneratedImage(
            picture.content, picture.media_type, width, height, _NAME, self._model
        )

    def close(self) -> None:
        """Do nothing: no connection outlives its image."""

    async def _request(
        self, prompt: str, user: str, options: dict[str, Any], on_partial: OnPartial
    ) -> Picture:
        try:
            async with asyncio.timeout(self._timeout), self._open_client() as client:
                reply = await client.images.with_raw_response.generate(
                    prompt=prompt,
                    model=self._model,
                    output_format="png",
                    safety_identifier=_hash_user(user),
                    **options,
                )
                logger.info("the provider answered, request id %s", reply.request_id)
                return await self._receive(reply, on_partial)
        except TimeoutError as error:
            raise GenerationTimeoutError from error
        except openai.APIStatusError as error:
            # not chained: its message is the provider's text, which may repeat prompt and key
            raise _explain_refusal(error) from None
        except openai.APIConnectionError as error:
            raise _explain_break(error.__cause__) from error
        except httpx2.HTTPError as error:
            raise _explain_break(error) from error

    async def _receive(self, reply: Any, on_partial: OnPartial) -> Picture:
        """Return the image of an answer whose head is there."""
        media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not (self._partial_images and media_type == "text/event-stream"):
            # also from a server that is like OpenAI's, and knows no streams, or doesn't say that
            # it sends one: it has been paid
            body = await reply.http_response.aread()
            if not (self._partial_images and holds_events(body)):
                return read_body(body)
        try:
            async with reply.parse() as events:
                return await read_events(events, self._partial_images, on_partial)
        except (openai.APIStatusError, openai.APIConnectionError):
            raise
        except openai.APIError as error:
            # not chained, as above
            raise _explain_interruption(error, reply.request_id) from None

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        # a client that makes its own reads every certificate authority again, for 20 ms
        return httpx2.create_ssl_context()

    def _open_client(self) -> openai.AsyncOpenAI:
        timeout = httpx2.Timeout(None, connect=min(_CONNECT_TIMEOUT, self._timeout))
        return openai.AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                verify=self._trusted, follow_redirects=False, timeout=timeout
            ),
        )


def _hash_user(user: str) -> str:
    return hashlib.sha256(b"pixy-proxy user\0" + user.encode()).hexdigest()


def _explain_refusal(error: openai.APIStatusError) -> GenerationError:
    kind = classify_refusal(error.status_code, error.code)
    # somebody has to act on these two: no request succeeds until then
    is_alert = issubclass(kind, GeneratorQuotaError | GeneratorKeyError)
    logger.log(
        logging.CRITICAL if is_alert else logging.WARNING,
        "the provider refused: status %d, code %s, request id %s",
        error.status_code,
        printable_code(error.code),
        error.request_id,
    )
    return kind(
        upstream_request_id=error.request_id,
        retry_after=read_retry_after(error.response.headers.get("retry-after")),
    )


def _explain_interruption(error: openai.APIError, request_id: str | None) -> GenerationError:
    kind = classify_interruption(error.code)
    logger.log(
        logging.CRITICAL if issubclass(kind, GeneratorQuotaError) else logging.WARNING,
        "the provider broke its events off: code %s, request id %s",
        printable_code(error.code),
        request_id,
    )
    return kind(upstream_request_id=request_id)


def _explain_break(cause: BaseException | None) -> GenerationError:
    logger.warning("the exchange with the provider broke off: %s", type(cause).__name__)
    if isinstance(cause, _NEVER_CONNECTED):
        return GeneratorUnreachableError()
    if isinstance(cause, httpx2.TimeoutException):
        return GenerationTimeoutError()
    return GenerationUnknownError()
