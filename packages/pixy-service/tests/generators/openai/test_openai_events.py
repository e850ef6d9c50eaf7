"""Partial images from the provider's own kind of stream, as it is documented and otherwise."""

import re
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorQuotaError,
    GeneratorResponseError,
    PromptRejectedError,
)
from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.generator import OpenAIGenerator
from provider import Provider
from provider_answers import JPEG, PNG
from provider_events import EVENTS, PARTIALS
from provider_oddities import ODD_EVENTS

PATIENCE = 20
ASKED_FOR = 2
IMAGES = {
    "png": PNG,
    "unnamed_format": PNG,
    "jpeg": JPEG,
    "events_with_bad_partials": PNG,
    "events_with_many_partials": PNG,
    "events_with_odd_ones": PNG,
}
OUTCOMES: dict[str, type[GenerationError]] = {
    "events_without_end": GenerationUnknownError,
    "events_done_early": GenerationUnknownError,
    "events_error": GenerationUnknownError,
    "events_error_without_code": GenerationUnknownError,
    "events_broken_json": GenerationUnknownError,
    "events_no_utf8": GenerationUnknownError,
    "events_odd": GenerationUnknownError,
    "events_cut": GenerationUnknownError,
    "events_cut_in_doubt": GenerationUnknownError,
    "events_only_partials": GenerationUnknownError,
    "events_slow_down": GenerationUnknownError,
    "events_moderation_blocked": PromptRejectedError,
    "events_insufficient_quota": GeneratorQuotaError,
    "events_completed_without_image": GeneratorResponseError,
    "events_completed_with_junk": GeneratorResponseError,
    "events_drip": GenerationTimeoutError,
    "events_stall": GenerationTimeoutError,
    # without a word of the stream, the same as without a stream
    "moderation_blocked": PromptRejectedError,
    "server_error": GenerationUnknownError,
    "reset": GenerationUnknownError,
    "truncated": GenerationUnknownError,
    "drip": GenerationTimeoutError,
    "silent": GenerationTimeoutError,
    "broken_json": GeneratorResponseError,
    "html": GeneratorResponseError,
    "bad_base64": GeneratorResponseError,
    "too_wide": GeneratorResponseError,
}
ENDLESS = ("events_drip", "events_stall", "drip", "silent")


def open_generator(
    provider: Provider, behaviour: str = "png", partial_images: int = ASKED_FOR
) -> OpenAIGenerator:
    provider.behave(behaviour)
    return OpenAIGenerator(
        "sk-secret-of-the-server",
        base_url=provider.base_url,
        model="gpt-image-2.6-flare",
        timeout=0.5 if behaviour in ENDLESS else PATIENCE,
        partial_images=partial_images,
    )


def fail(provider: Provider, behaviour: str) -> BaseException | None:
    generator = open_generator(provider, behaviour)
    with ThreadPoolExecutor() as threads:
        call = threads.submit(generator.generate, ImageOrder("secret prompt", "ann"))
        return call.exception(PATIENCE)


def test_every_behaviour_of_a_stream_is_expected_here() -> None:
    assert set(EVENTS) <= set(OUTCOMES) | set(IMAGES) | set(ODD_EVENTS)


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_partial_images_are_shown_in_their_order_before_the_image(
    provider: Provider, wanted: int
) -> None:
    shown: list[bytes] = []
    generator = open_generator(provider, partial_images=wanted)
    image = generator.generate(ImageOrder("a fox", "ann"), shown.append)
    assert shown == list(PARTIALS[:wanted])
    assert (image.content, image.width, image.height) == (PNG, 64, 48)
    body = provider.requests[0].body
    assert (body["stream"], body["partial_images"]) == (True, wanted)


def test_without_partial_images_the_request_does_not_ask_for_a_stream(provider: Provider) -> None:
    open_generator(provider, partial_images=0).generate(ImageOrder("a fox", "ann", quality="low"))
    (request,) = provider.requests
    assert set(request.body) == {
        *("prompt", "model", "output_format", "safety_identifier", "quality")
    }


@pytest.mark.parametrize(("behaviour", "content"), IMAGES.items(), ids=list(IMAGES))
def test_the_image_comes_back_byte_for_byte(
    provider: Provider, behaviour: str, content: bytes
) -> None:
    image = open_generator(provider, behaviour).generate(ImageOrder("a fox", "ann"))
    assert image.content == content


def test_no_more_partial_images_are_shown_than_were_asked_for(provider: Provider) -> None:
    shown: list[bytes] = []
    generator = open_generator(provider, "events_with_many_partials")
    generator.generate(ImageOrder("a fox", "ann"), shown.append)
    assert len(shown) == ASKED_FOR


def test_a_server_that_knows_no_streams_is_understood_too(provider: Provider) -> None:
    # its body is of another type, and says that it is JSON
    provider.streams = False
    assert open_generator(provider).generate(ImageOrder("a fox", "ann")).content == PNG


@pytest.mark.parametrize("media_type", ["text/event-stream", "Text/Event-Stream ;charset=UTF-8"])
def test_a_stream_is_known_by_its_type_however_that_is_written(
    provider: Provider, media_type: str
) -> None:
    provider.stream_type = media_type
    assert open_generator(provider).generate(ImageOrder("a fox", "ann")).content == PNG


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain; charset=utf-8"])
@pytest.mark.parametrize("behaviour", IMAGES)
def test_a_stream_of_another_type_has_been_paid_too(
    provider: Provider, media_type: str, behaviour: str
) -> None:
    provider.stream_type = media_type
    image = open_generator(provider, behaviour).generate(ImageOrder("a fox", "ann"))
    assert image.content == IMAGES[behaviour]


@pytest.mark.parametrize("behaviour", [name for name in OUTCOMES if name in EVENTS])
def test_a_failure_of_a_stream_of_another_type_raises_the_same_class(
    provider: Provider, behaviour: str
) -> None:
    provider.stream_type = "text/plain"
    assert type(fail(provider, behaviour)) is OUTCOMES[behaviour]


@pytest.mark.parametrize(("behaviour", "outcome"), OUTCOMES.items())
def test_a_failure_raises_its_class_tells_no_secret_and_costs_one_request(
    provider: Provider,
    behaviour: str,
    outcome: type[GenerationError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = fail(provider, behaviour)
    assert type(error) is outcome
    assert (provider.paid_requests, provider.other_requests, provider.connections) == (1, 0, 1)
    told = "".join(traceback.format_exception(error)) + caplog.text
    assert not re.search(r"sk-secret|The stand-in repeats|Welcome", told)
    assert "secret prompt" not in f"{error!r} {vars(error)} {caplog.text}"


def test_an_error_among_the_events_carries_the_provider_s_request_id(provider: Provider) -> None:
    error = fail(provider, "events_moderation_blocked")
    assert isinstance(error, GenerationError)
    assert error.upstream_request_id == "req_stand_in"
