"""Images from sources: what is sent, and that a failure means the same as without sources."""

import hashlib
import json
import logging
import socket
import threading
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorClientError,
    GeneratorKeyError,
    GeneratorOverloadedError,
    GeneratorQuotaError,
    GeneratorRequestError,
    GeneratorResponseError,
    ImageRejectedError,
    ImageRequest,
    InvalidInputError,
    PromptRejectedError,
)
from pixy_service.generators.interface import ImageOrder, SourceFile
from pixy_service.generators.openai.generator import OpenAIGenerator
from provider import Provider
from provider_answers import JPEG, PNG, WEBP, make_png
from provider_events import PARTIALS
from provider_requests import EDITS_PATH

MODEL = "gpt-image-2.6-flare"
PATIENCE = 20
GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
MASK = make_png(16, 16)
OUTCOMES: dict[str, type[GenerationError]] = {
    "moderation_blocked": PromptRejectedError,
    "moderation_output": ImageRejectedError,
    "bad_request": GeneratorRequestError,
    "redirect": GeneratorRequestError,
    "unauthorized": GeneratorKeyError,
    "overloaded": GeneratorOverloadedError,
    "insufficient_quota": GeneratorQuotaError,
    "server_error": GenerationUnknownError,
    "request_timeout": GenerationUnknownError,
    "reset": GenerationUnknownError,
    "truncated": GenerationUnknownError,
    "silent": GenerationTimeoutError,
    "drip": GenerationTimeoutError,
    "null_data": GeneratorResponseError,
    "no_b64": GeneratorResponseError,
    "junk_image": GeneratorResponseError,
    "late_slow_down": GeneratorOverloadedError,
}
EVENT_OUTCOMES: dict[str, type[GenerationError]] = {
    "events_without_end": GenerationUnknownError,
    "events_only_partials": GenerationUnknownError,
    "events_cut": GenerationUnknownError,
    "events_moderation_blocked": PromptRejectedError,
    "events_completed_with_junk": GeneratorResponseError,
}


def open_generator(base_url: str, timeout: float = PATIENCE) -> OpenAIGenerator:
    return OpenAIGenerator("sk-secret", base_url=base_url, model=MODEL, timeout=timeout)


@pytest.fixture
def sources(tmp_path: Path) -> tuple[SourceFile, ...]:
    found = []
    for content, kind in ((JPEG, "jpeg"), (WEBP, "webp"), (PNG, "png")):
        path = tmp_path / f"a secret name of {kind}"
        path.write_bytes(content)
        found.append(SourceFile(path, f"image/{kind}", 16, 16))
    return tuple(found)


@pytest.fixture
def mask(tmp_path: Path) -> SourceFile:
    path = tmp_path / "mask"
    path.write_bytes(MASK)
    return SourceFile(path, "image/png", 16, 16)


def fail(generator: OpenAIGenerator, order: ImageOrder) -> GenerationError:
    with ThreadPoolExecutor() as threads:
        # a call that is still there then has missed its deadline by far
        error = threads.submit(generator.generate, order).exception(PATIENCE)
    assert isinstance(error, GenerationError)
    return error


def list_files(provider: Provider) -> list[tuple[str, str | None, str | None, str]]:
    return [
        (part.name, part.filename, part.media_type, part.sha256)
        for part in provider.requests[-1].files
    ]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_one_source_is_sent_as_image(provider: Provider, sources: tuple[SourceFile, ...]) -> None:
    order = ImageOrder("a fox", "ann", sources=sources[:1])
    image = open_generator(provider.base_url).generate(order)
    assert (image.content, image.model) == (PNG, MODEL)
    assert provider.requests[0].path == EDITS_PATH
    assert list_files(provider) == [("image", "image-1.jpg", "image/jpeg", sha256(JPEG))]


def test_several_sources_and_a_mask_are_sent_in_order(
    provider: Provider, sources: tuple[SourceFile, ...], mask: SourceFile
) -> None:
    order = ImageOrder("a fox", "ann", sources=sources, mask=mask)
    open_generator(provider.base_url).generate(order)
    assert list_files(provider) == [
        ("image[]", "image-1.jpg", "image/jpeg", sha256(JPEG)),
        ("image[]", "image-2.webp", "image/webp", sha256(WEBP)),
        ("image[]", "image-3.png", "image/png", sha256(PNG)),
        ("mask", "mask.png", "image/png", sha256(MASK)),
    ]


def test_the_options_of_an_edit_are_sent_and_no_others(
    provider: Provider, sources: tuple[SourceFile, ...]
) -> None:
    order = ImageOrder(
        "a fox 🦊",
        "ann",
        size="1536x1024",
        quality="high",
        background="opaque",
        output_format="webp",
        output_compression=0,
        moderation="low",
        partial_images=1,
        sources=sources,
    )
    open_generator(provider.base_url).generate(order)
    body = provider.requests[0].body
    assert len(body.pop("safety_identifier")) == 64
    # `images.edit` knows no moderation
    assert body == {
        "prompt": "a fox 🦊",
        "model": MODEL,
        "size": "1536x1024",
        "quality": "high",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 0,
        "stream": True,
        "partial_images": 1,
    }


def test_less_moderation_of_an_edit_is_refused_without_a_request(provider: Provider) -> None:
    generator = open_generator(provider.base_url)
    generator.check(ImageRequest(prompt="x", moderation="low"))
    generator.check(ImageRequest(prompt="x", moderation="auto", sources=(GUID,)))
    with pytest.raises(InvalidInputError) as caught:
        generator.check(ImageRequest(prompt="x", moderation="low", sources=(GUID,)))
    assert [where for where, _ in caught.value.errors] == [("moderation",)]
    assert provider.connections == 0


def test_a_mask_without_a_source_makes_no_edit(provider: Provider, mask: SourceFile) -> None:
    open_generator(provider.base_url).generate(ImageOrder("a fox", "ann", mask=mask))
    assert (provider.requests[0].path == EDITS_PATH, provider.requests[0].files) == (False, ())


@pytest.mark.parametrize(("behaviour", "outcome"), OUTCOMES.items())
def test_a_failure_raises_its_class_and_costs_one_request(
    provider: Provider,
    sources: tuple[SourceFile, ...],
    behaviour: str,
    outcome: type[GenerationError],
) -> None:
    provider.behave(behaviour)
    generator = open_generator(provider.base_url, 0.5 if behaviour in ("silent", "drip") else 20)
    assert type(fail(generator, ImageOrder("a fox", "ann", sources=sources))) is outcome
    assert (provider.paid_requests, provider.other_requests, provider.connections) == (1, 0, 1)


def test_partial_images_of_an_edit_are_shown(
    provider: Provider, sources: tuple[SourceFile, ...]
) -> None:
    shown: list[bytes] = []
    order = ImageOrder("a fox", "ann", sources=sources, partial_images=2)
    image = open_generator(provider.base_url).generate(order, shown.append)
    assert shown == list(PARTIALS[:2])
    assert image.content == PNG


@pytest.mark.parametrize(("behaviour", "outcome"), EVENT_OUTCOMES.items())
def test_a_failure_of_a_stream_raises_its_class_and_costs_one_request(
    provider: Provider,
    sources: tuple[SourceFile, ...],
    behaviour: str,
    outcome: type[GenerationError],
) -> None:
    provider.behave(behaviour)
    order = ImageOrder("a fox", "ann", sources=sources, partial_images=2)
    assert type(fail(open_generator(provider.base_url), order)) is outcome
    assert (provider.paid_requests, provider.connections) == (1, 1)


def make_missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def make_endless_link(path: Path) -> None:
    # root can't open it either
    path.symlink_to(path)


@pytest.mark.parametrize("make", [make_missing, make_endless_link, Path.mkdir])
def test_a_source_that_can_t_be_opened_costs_nothing(
    provider: Provider,
    sources: tuple[SourceFile, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[Path], object],
) -> None:
    make(tmp_path / "odd")
    odd = SourceFile(tmp_path / "odd", "image/png", 16, 16)
    order = ImageOrder("secret prompt", "ann", sources=(*sources, odd))
    error = fail(open_generator(provider.base_url), order)
    assert (type(error), error.billed, error.retryable) == (GeneratorClientError, "no", True)
    assert provider.connections == 0
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert str(tmp_path) not in caplog.text


def test_a_mask_that_can_t_be_opened_costs_nothing(
    provider: Provider, sources: tuple[SourceFile, ...], tmp_path: Path
) -> None:
    odd = SourceFile(tmp_path / "odd", "image/png", 16, 16)
    order = ImageOrder("a fox", "ann", sources=sources, mask=odd)
    assert type(fail(open_generator(provider.base_url), order)) is GeneratorClientError
    assert provider.connections == 0


def test_a_file_that_can_t_be_read_while_it_is_sent_may_have_been_paid_for(
    provider: Provider, sources: tuple[SourceFile, ...]
) -> None:
    # the kernel opens it, and answers a read at its start with EIO
    broken = SourceFile(Path("/proc/self/mem"), "image/png", 16, 16)
    order = ImageOrder("a fox", "ann", sources=(*sources, broken))
    error = fail(open_generator(provider.base_url), order)
    assert (type(error), error.billed) == (GenerationUnknownError, "unknown")


@contextmanager
def serve(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Listen, and give the first connection to `answer`, which it outlives until this is left."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as threads:
        is_over = threading.Event()

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)
                is_over.wait(PATIENCE)

        accepted = threads.submit(accept)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            is_over.set()
            accepted.result(PATIENCE)


def make_large(path: Path, size: int) -> SourceFile:
    with path.open("wb") as file:
        file.truncate(size)
    return SourceFile(path, "image/png", 16, 16)


def test_a_refusal_that_comes_before_the_last_byte_is_sent_is_one(tmp_path: Path) -> None:
    body = b'{"error": {"code": "invalid_value"}}'
    head = b"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    def refuse(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(head + body)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1024 * 1024):
            pass

    with serve(refuse) as url:
        order = ImageOrder("a fox", "ann", sources=(make_large(tmp_path / "large", 20_000_000),))
        error = fail(open_generator(url), order)
    assert (type(error), error.billed) == (GeneratorRequestError, "no")


def test_a_provider_that_reads_nothing_does_not_outlive_the_deadline(tmp_path: Path) -> None:
    with serve(lambda connection: connection.recv(1)) as url:
        order = ImageOrder("a fox", "ann", sources=(make_large(tmp_path / "large", 20_000_000),))
        error = fail(open_generator(url, 1), order)
    assert type(error) is GenerationTimeoutError


def test_sources_are_never_held_in_memory(tmp_path: Path) -> None:
    body = json.dumps({"data": [{"b64_json": b64encode(PNG).decode()}]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    size = 12_000_000
    received = [0]

    def take(connection: socket.socket) -> None:
        buffer = bytearray(1024 * 1024)
        while received[0] < 16 * size:
            received[0] += connection.recv_into(buffer)
        connection.sendall(head + body)

    with serve(take) as url:
        sources = tuple(make_large(tmp_path / str(number), size) for number in range(16))
        generator = open_generator(url)
        tracemalloc.start()
        try:
            image = generator.generate(ImageOrder("a fox", "ann", sources=sources))
            # also the SDK, if this is the first image of the process
            assert tracemalloc.get_traced_memory()[1] < 6 * size
        finally:
            tracemalloc.stop()
    assert image.content == PNG
    assert received[0] > 16 * size
