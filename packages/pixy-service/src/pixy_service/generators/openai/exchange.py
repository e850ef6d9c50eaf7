"""The exchange with OpenAI's API for one image. Only this module imports the SDK."""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, nullcontext
from enum import Enum
from typing import IO, Any
from urllib.parse import urlsplit

import httpx2
import openai

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorClientError,
    GeneratorUnreachableError,
)
from pixy_core.images import IMAGE_EXTENSIONS
from pixy_service.generators.interface import (
    ImageOrder,
    ObserveCall,
    OnPartial,
    ProviderCall,
    SourceFile,
)
from pixy_service.generators.openai.bodies import bound_body
from pixy_service.generators.openai.formats import decode_text
from pixy_service.generators.openai.messages import read_refusal
from pixy_service.generators.openai.refusals import explain_refusal, explain_unsent
from pixy_service.generators.openai.replies import Answer

logger = logging.getLogger(__name__)

_CONNECT_TIMEOUT = 10.0
_MEMORY_PAUSE = 0.5

Upload = tuple[str, IO[bytes], str]
"""The name, the open file and the media type of a part of a multipart body."""

# errors before any byte of the request was sent
_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
_CONNECTING = frozenset(
    {
        *("connection.connect_tcp", "connection.start_tls", "proxy.start_tls"),
        *("socks.connect_tcp", "socks.setup_socks5_connection", "socks.start_tls"),
    }
)
# an event after a response or a failure, also of a proxy's tunnel: it does not tell whether the
# request was sent
_CLOSING = "http11.response_closed"


class _Stage(Enum):
    BUILDING = "building"
    CONNECTING = "connecting"
    LEFT = "left"


class Sending:
    """Tracks how far one request has come, by the hooks and the trace of httpx2.

    https://www.python-httpx.org/advanced/extensions/#trace names the events. They may change
    between versions, so an unknown event counts as if the request had left.
    """

    def __init__(self) -> None:
        self._stage = _Stage.BUILDING
        self._has_been_sent = False

    @property
    def may_have_left(self) -> bool:
        """Whether the provider may have received any of the request."""
        return self._stage is _Stage.LEFT

    @property
    def is_connecting(self) -> bool:
        """Whether the request is complete, and waits for its connection."""
        return self._stage is _Stage.CONNECTING

    async def begin(self, request: httpx2.Request) -> None:
        """Track a complete request from now on; a hook of the client."""
        # LEFT until the first event proves that it is only connecting
        self._stage = _Stage.LEFT
        request.extensions["trace"] = self._note

    async def _note(self, event: str, info: Mapping[str, Any]) -> None:
        step, _, state = event.rpartition(".")
        if self._has_been_sent or state != "started" or step == _CLOSING:
            return
        # a proxy is asked for a tunnel before it gets the request
        is_tunnel = getattr(info.get("request"), "method", None) == b"CONNECT"
        self._has_been_sent = not (step in _CONNECTING or is_tunnel)
        self._stage = _Stage.LEFT if self._has_been_sent else _Stage.CONNECTING


class Exchange:
    """Asks for images, each on its own connection and within `timeout` seconds.

    Raises:
        OSError: The certificates can't be read.
    """

    def __init__(
        self, *, api_key: str, base_url: str, timeout: float, observe_call: ObserveCall | None
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._timeout = timeout
        self._observe_call = observe_call or nullcontext
        # without this shared context, each client would load all certificate authorities (20 ms)
        self._trusted = httpx2.create_ssl_context()

    async def request(
        self, order: ImageOrder, options: dict[str, Any], on_partial: OnPartial
    ) -> tuple[Answer, GenerationError | None]:
        """Ask for one image, once, and return the undecoded answer.

        Args:
            order: What to make; the provider gets a hash of the user's name.
            options: From `describe_options`.
            on_partial: As for `ImageGenerator.generate`.

        Returns:
            The answer so far, and why it is incomplete, or None.

        Raises:
            GenerationError: Nothing of the request was sent.
        """
        sending, answer = Sending(), Answer(options.get("partial_images", 0), on_partial)
        parameters = {
            **options,
            "prompt": order.prompt,
            "safety_identifier": _hash_user(order.user),
        }
        failure: GenerationError | None = None
        with _open_uploads(order) as uploads:
            call = self._describe_call(options["model"], is_edit="image" in uploads)
            try:
                with self._observe_call(call):
                    await self._receive(sending, answer, parameters | uploads, call)
            except Exception as error:  # noqa: BLE001 - what it means depends on what has been sent
                failure = _explain_failure(error, sending)
        # the complete image may have arrived before the failure
        return answer, failure

    def _describe_call(self, model: str, *, is_edit: bool) -> ProviderCall:
        path = "/v1/images/edits" if is_edit else "/v1/images/generations"
        server = urlsplit(self._base_url)
        return ProviderCall("openai", "POST", path, server.hostname or "", server.port, model)

    async def _receive(
        self, sending: Sending, answer: Answer, parameters: dict[str, Any], call: ProviderCall
    ) -> None:
        """Send the request, and feed the answer with the received bytes."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                self.open_client(sending) as client,
                _post(client, parameters) as reply,
            ):
                call.status = reply.status_code
                answer.request_id = reply.request_id
                logger.info("the provider answered, request id %s", reply.request_id)
                async for content in reply.http_response.aiter_raw():
                    await _feed(answer, content)
                    if answer.is_complete:
                        break
        except TimeoutError as error:
            raise GenerationTimeoutError from error
        except openai.APIStatusError as error:
            call.status = error.status_code
            # not chained: its message is the provider's text, which may repeat prompt and key
            raise _explain_refusal(error) from None
        except openai.APIConnectionError as error:
            raise _explain_break(error.__cause__) from error
        except httpx2.HTTPError as error:
            raise _explain_break(error) from error

    def open_client(self, sending: Sending | None = None) -> openai.AsyncOpenAI:
        """Return a client for one exchange.

        Args:
            sending: Tracks the request; None for a request that is free of charge.
        """
        # shorter than the deadline: if a handshake is cancelled, httpcore2 leaves its socket open
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
                event_hooks={
                    "request": [] if sending is None else [sending.begin],
                    "response": [bound_body],
                },
            ),
        )


def _post(
    client: openai.AsyncOpenAI, parameters: dict[str, Any]
) -> AbstractAsyncContextManager[Any]:
    """Return the exchange: an edit if there are images to send, else a generation."""
    images = client.images.with_streaming_response
    post = images.edit if "image" in parameters else images.generate
    return post(extra_headers={"Accept-Encoding": "identity"}, **parameters)


@contextmanager
def _open_uploads(order: ImageOrder) -> Iterator[dict[str, Any]]:
    """Open the files of an order; the context's value is the parameters of `images.edit`.

    Files are streamed, never loaded into memory. A single file is sent as `image`, several as
    `image[]`.

    Raises:
        GeneratorClientError: A file can't be opened.
    """
    with ExitStack() as stack:

        def open_upload(source: SourceFile, name: str) -> Upload:
            file = stack.enter_context(source.path.open("rb"))
            return f"{name}.{IMAGE_EXTENSIONS[source.media_type]}", file, source.media_type

        uploads: dict[str, Any] = {}
        try:
            images = [
                open_upload(source, f"image-{n}") for n, source in enumerate(order.sources, 1)
            ]
            if images:
                uploads["image"] = images if len(images) > 1 else images[0]
            if images and order.mask is not None:
                uploads["mask"] = open_upload(order.mask, "mask")
        except OSError as error:
            reason = error.strerror
            logger.error("a source can't be read, so the provider was not asked: %s", reason)  # noqa: TRY400
            raise GeneratorClientError from error
        yield uploads


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
