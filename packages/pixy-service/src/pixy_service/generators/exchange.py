"""The one exchange with OpenAI's API that an image takes.

The only module that imports the SDK. What the provider's refusals mean stands in refusals.py,
what its answers hold in replies.py.
"""

import asyncio
import hashlib
import logging
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
from pixy_service.generators.interface import OnPartial
from pixy_service.generators.refusals import (
    classify_interruption,
    classify_refusal,
    printable_code,
    read_retry_after,
)
from pixy_service.generators.replies import holds_events, read_body, read_events
from pixy_service.generators.sending import Sending, explain_unsent

logger = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 10.0
# no byte of the request has left before one of these
_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class Exchange:
    """Asks for images, each on a connection of its own.

    Args:
        api_key: The account's key.
        base_url: Where the API is.
        timeout: Seconds that one image may take in all.
        partial_images: How many unfinished pictures are asked for.

    Raises:
        OSError: The certificates can't be read.
    """

    def __init__(self, *, api_key: str, base_url: str, timeout: float, partial_images: int) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout
        self._partial_images = partial_images
        # a client that makes its own reads every certificate authority again, for 20 ms
        self._trusted = httpx2.create_ssl_context()

    async def request(
        self, prompt: str, user: str, options: dict[str, Any], on_partial: OnPartial
    ) -> bytes:
        """Ask for one image, once, and return its bytes.

        Args:
            prompt: What is to be drawn.
            user: Who asks; the provider gets a hash of it.
            options: Further parameters of the request, the model among them.
            on_partial: As for `ImageGenerator.generate`.

        Raises:
            GenerationError: As `OpenAIGenerator.generate`.
        """
        sending = Sending()
        try:
            return await self._request(sending, prompt, user, options, on_partial)
        except Exception as error:
            if sending.may_have_left or isinstance(error, GeneratorUnreachableError):
                raise
            if sending.is_connecting:
                raise GeneratorUnreachableError from None
            # not chained: it may quote what was to be sent
            raise explain_unsent(error) from None

    async def _request(
        self,
        sending: Sending,
        prompt: str,
        user: str,
        options: dict[str, Any],
        on_partial: OnPartial,
    ) -> bytes:
        try:
            async with asyncio.timeout(self._timeout), self._open_client(sending) as client:
                reply = await client.images.with_raw_response.generate(
                    prompt=prompt,
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

    async def _receive(self, reply: Any, on_partial: OnPartial) -> bytes:
        """Return the image's bytes of an answer whose head is there."""
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

    def _open_client(self, sending: Sending) -> openai.AsyncOpenAI:
        # below the deadline: cancelled in a handshake, httpcore2 leaves its socket open
        timeout = httpx2.Timeout(None, connect=min(_CONNECT_TIMEOUT, 0.9 * self._timeout))
        return openai.AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                verify=self._trusted,
                follow_redirects=False,
                timeout=timeout,
                event_hooks={"request": [sending.begin]},
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
