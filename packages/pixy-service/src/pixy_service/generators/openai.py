"""The generator behind OpenAI's Images API: at most one paid request for each image.

The only module that imports the SDK. What the provider's refusals mean stands in refusals.py,
what its bytes have to be in inspection.py.
"""

import asyncio
import base64
import binascii
import hashlib
import logging
import ssl
from functools import cached_property
from typing import Any, Literal

import httpx2
import openai
from pydantic import BaseModel, Field, ValidationError

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorKeyError,
    GeneratorQuotaError,
    GeneratorResponseError,
    GeneratorUnreachableError,
)
from pixy_core.image_requests import AUTO
from pixy_service.generators.inspection import inspect_image
from pixy_service.generators.interface import GeneratedImage
from pixy_service.generators.options import check_options
from pixy_service.generators.refusals import classify_refusal, printable_code, read_retry_after

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


class _Picture(BaseModel):
    b64_json: str


class _Reply(BaseModel):
    """The part of the reply that counts; the SDK's own model accepts any type anywhere."""

    data: list[_Picture] = Field(min_length=1)
    output_format: Literal["png", "jpeg", "webp"] = "png"


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
    """

    name = _NAME

    def __init__(self, *, api_key: str, base_url: str, model: str, timeout: float) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._model = model
        self._timeout = timeout

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
        self, prompt: str, *, user: str, size: str = AUTO, quality: str = AUTO
    ) -> GeneratedImage:
        """Draw one image, and pay for it at most once.

        Args:
            prompt: 1 to 32,000 characters.
            user: The name of the user who asks; the provider gets a hash of it.
            size: As for `check`.
            quality: As for `check`.

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
        options = {name: value for name, value in given.items() if value != AUTO}
        return self._read_reply(asyncio.run(self._request(prompt, user, options)).content)

    def close(self) -> None:
        """Do nothing: no connection outlives its image."""

    async def _request(self, prompt: str, user: str, options: dict[str, Any]) -> httpx2.Response:
        # not its megabytes: anyio writes the result of the task into a message that nobody reads
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
                response: httpx2.Response = reply.http_response
                return response
        except TimeoutError as error:
            raise GenerationTimeoutError from error
        except openai.APIStatusError as error:
            # not chained: its message is the provider's text, which may repeat prompt and key
            raise _explain_refusal(error) from None
        except openai.APIConnectionError as error:
            raise _explain_break(error) from error

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

    def _read_reply(self, body: bytes) -> GeneratedImage:
        try:
            reply = _Reply.model_validate_json(body)
            content = base64.b64decode(reply.data[0].b64_json, validate=True)
        except (ValidationError, binascii.Error, ValueError):
            # not chained: these errors quote what the provider sent
            raise GeneratorResponseError from None
        media_type = f"image/{reply.output_format}"
        width, height = inspect_image(content, media_type)
        return GeneratedImage(content, media_type, width, height, _NAME, self._model)


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


def _explain_break(error: openai.APIConnectionError) -> GenerationError:
    cause = error.__cause__
    logger.warning("the exchange with the provider broke off: %s", type(cause).__name__)
    if isinstance(cause, _NEVER_CONNECTED):
        return GeneratorUnreachableError()
    if isinstance(cause, httpx2.TimeoutException):
        return GenerationTimeoutError()
    return GenerationUnknownError()
