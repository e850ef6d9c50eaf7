"""The exchange with OpenAI's API for one image. Only this module imports the SDK."""

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
    GeneratorUnreachableError,
)
from pixy_service.generators.interface import OnPartial
from pixy_service.generators.openai.bodies import bound_body
from pixy_service.generators.openai.documents import decode_text
from pixy_service.generators.openai.messages import read_refusal
from pixy_service.generators.openai.refusals import explain_refusal
from pixy_service.generators.openai.replies import Answer
from pixy_service.generators.openai.sending import Sending, explain_unsent

logger = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 10.0
_MEMORY_PAUSE = 0.5
# no byte of the request has left before one of these
_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


class Exchange:
    """Asks for images, each on its own connection.

    Args:
        api_key: The account's key.
        base_url: The URL of the API.
        timeout: Seconds for one image.
        partial_images: Number of partial images to ask for.

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
    ) -> tuple[Answer, GenerationError | None]:
        """Ask for one image, once, and return the undecoded answer.

        Args:
            prompt: The prompt.
            user: Who asks; the provider gets a hash of it.
            options: Further parameters of the request, including the model.
            on_partial: As for `ImageGenerator.generate`.

        Returns:
            The answer so far, and why it is incomplete, or None.

        Raises:
            GenerationError: Nothing of the request was sent.
        """
        sending, answer = Sending(), Answer(self._partial_images, on_partial)
        failure: GenerationError | None = None
        try:
            await self._receive(
                sending, answer, prompt=prompt, safety_identifier=_hash_user(user), **options
            )
        except Exception as error:  # noqa: BLE001 - what it means depends on what has been sent
            failure = _explain_failure(error, sending)
        # the image may have arrived before it
        return answer, failure

    async def _receive(self, sending: Sending, answer: Answer, **parameters: Any) -> None:
        """Send the request, and feed the answer with the received bytes."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._open_client(sending) as client,
                client.images.with_streaming_response.generate(
                    output_format="png", extra_headers={"Accept-Encoding": "identity"}, **parameters
                ) as reply,
            ):
                answer.request_id = reply.request_id
                logger.info("the provider answered, request id %s", reply.request_id)
                async for content in reply.http_response.aiter_raw():
                    await _feed(answer, content)
                    if answer.is_complete:
                        break
        except TimeoutError as error:
            raise GenerationTimeoutError from error
        except openai.APIStatusError as error:
            # not chained: its message is the provider's text, which may repeat prompt and key
            raise _explain_refusal(error) from None
        except openai.APIConnectionError as error:
            raise _explain_break(error.__cause__) from error
        except httpx2.HTTPError as error:
            raise _explain_break(error) from error

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
                event_hooks={"request": [sending.begin], "response": [bound_body]},
            ),
        )


async def _feed(answer: Answer, content: bytes) -> None:
    """Feed an answer with bytes; try again while memory is short."""
    while True:
        try:
            answer.feed(content)
        except MemoryError:
            await asyncio.sleep(_MEMORY_PAUSE)
        else:
            return


def _hash_user(user: str) -> str:
    return hashlib.sha256(b"pixy-proxy user\0" + user.encode()).hexdigest()


def _explain_failure(error: Exception, sending: Sending) -> GenerationError:
    """Return what a failure means, by how far the request has come.

    Raises:
        GenerationError: Nothing of the request was sent, so there is no answer.
    """
    if not sending.may_have_left:
        if sending.is_connecting or isinstance(error, GeneratorUnreachableError):
            raise GeneratorUnreachableError from None
        # not chained: it may quote what was to be sent
        raise explain_unsent(error) from None
    if isinstance(error, GenerationError):
        return error
    logger.error("the provider's answer could not be read to its end: %s", type(error).__name__)
    return GenerationUnknownError()


def _explain_refusal(error: openai.APIStatusError) -> GenerationError:
    content = error.response.content
    refusal = explain_refusal(
        error.status_code,
        read_refusal(decode_text(content)),
        error.request_id,
        error.response.headers.get("retry-after"),
    )
    if refusal.billed != "no":
        refusal.answer = content
    return refusal


def _explain_break(cause: BaseException | None) -> GenerationError:
    logger.warning("the exchange with the provider broke off: %s", type(cause).__name__)
    if isinstance(cause, _NEVER_CONNECTED):
        return GeneratorUnreachableError()
    if isinstance(cause, httpx2.TimeoutException):
        return GenerationTimeoutError()
    return GenerationUnknownError()
