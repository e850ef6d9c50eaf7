import json
import logging
import re
import socket
import threading
import traceback
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorKeyError,
    GeneratorOverloadedError,
    GeneratorQuotaError,
    GeneratorRequestError,
    GeneratorResponseError,
    GeneratorUnreachableError,
    ImageRejectedError,
    ImageRequest,
    InvalidInputError,
    PromptRejectedError,
)
from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.bodies import MAX_ANSWER_BYTES
from pixy_service.generators.openai.generator import OpenAIGenerator
from provider import ANSWERS, BEHAVIOURS, STREAMS, Provider
from provider_answers import JPEG, LARGE_PNG, LARGE_TEXT_PNG, PNG, RATE_LIMIT_SECONDS, WEBP
from provider_oddities import ODD_ANSWERS

KEY = "sk-secret-of-the-server"
MODEL = "gpt-image-2.6-flare"
DEADLINE, PATIENCE = 1, 20
ENDLESS = ("drip", "silent", "stall")
ENDLESS_ANSWERS = ("gzip_bomb", "refused_with_bomb", "long_line")
# what arrives before a break
CUT_ANSWERS = {"truncated": b'{"data": [', "stall": b'{"data": ['}
IMAGES = {
    "png": PNG,
    "large": LARGE_PNG,
    "jpeg": JPEG,
    "webp": WEBP,
    "unnamed_format": PNG,
    "unnamed_jpeg": JPEG,
    "unnamed_webp": WEBP,
    "jpeg_as_png": JPEG,
    "jpeg_as_jpg": JPEG,
    "large_text": LARGE_TEXT_PNG,
    "stall_after_image": PNG,
}
OUTCOMES: dict[str, type[GenerationError]] = {
    "moderation_blocked": PromptRejectedError,
    "content_policy_violation": PromptRejectedError,
    "bad_request": GeneratorRequestError,
    "bad_request_without_code": GeneratorRequestError,
    "not_found": GeneratorRequestError,
    "conflict": GeneratorRequestError,
    "unprocessable": GeneratorRequestError,
    "redirect": GeneratorRequestError,
    "redirect_found": GeneratorRequestError,
    "unauthorized": GeneratorKeyError,
    "forbidden": GeneratorKeyError,
    "rate_limit_exceeded": GeneratorOverloadedError,
    "too_many_requests": GeneratorOverloadedError,
    "overloaded": GeneratorOverloadedError,
    "insufficient_quota": GeneratorQuotaError,
    "credit_balance_exhausted": GeneratorQuotaError,
    "project_spend_limit_exceeded": GeneratorQuotaError,
    "billing_hard_limit_reached": GeneratorQuotaError,
    "server_error": GenerationUnknownError,
    "bad_gateway": GenerationUnknownError,
    "gateway_timeout": GenerationUnknownError,
    "request_timeout": GenerationUnknownError,
    "reset": GenerationUnknownError,
    "truncated": GenerationUnknownError,
    "drip": GenerationTimeoutError,
    "silent": GenerationTimeoutError,
    "stall": GenerationTimeoutError,
    "null_data": GeneratorResponseError,
    "empty_data": GeneratorResponseError,
    "no_b64": GeneratorResponseError,
    "link_as_b64": GeneratorResponseError,
    "partial_only": GeneratorResponseError,
    "partial_only_cut": GeneratorResponseError,
    "no_content": GeneratorResponseError,
    "brotli": GeneratorResponseError,
    "gzip_bomb": GeneratorResponseError,
    "long_line": GeneratorResponseError,
    "bad_base64": GeneratorResponseError,
    "wrong_shape": GeneratorResponseError,
    "json_list": GeneratorResponseError,
    "broken_json": GeneratorResponseError,
    "html": GeneratorResponseError,
    "junk_image": GeneratorResponseError,
    "truncated_image": GeneratorResponseError,
    "gif": GeneratorResponseError,
    "gif_as_png": GeneratorResponseError,
    "too_wide": GeneratorResponseError,
    "late_moderation_blocked": PromptRejectedError,
    "late_moderation_input": PromptRejectedError,
    "late_moderation_output": ImageRejectedError,
    "late_content_filter": PromptRejectedError,
    "late_inner_error": PromptRejectedError,
    "late_400_moderation": PromptRejectedError,
    "late_400_number": PromptRejectedError,
    "late_400": GeneratorRequestError,
    "late_401": GeneratorKeyError,
    "late_429": GeneratorOverloadedError,
    "late_insufficient_quota": GeneratorQuotaError,
    "late_quota_type": GeneratorQuotaError,
    "late_usage_limit": GeneratorQuotaError,
    "late_slow_down": GeneratorOverloadedError,
    "late_rate_limit": GeneratorOverloadedError,
    "late_invalid_key": GeneratorKeyError,
    "late_invalid_request": GeneratorRequestError,
    "late_user_error": GenerationUnknownError,
    "late_server_error": GenerationUnknownError,
    "late_text": GenerationUnknownError,
    "late_bare": PromptRejectedError,
    "content_filter": PromptRejectedError,
    "inner_error": PromptRejectedError,
    "moderation_400": PromptRejectedError,
    "moderation_output": ImageRejectedError,
    "usage_limit": GeneratorQuotaError,
    "quota_type": GeneratorQuotaError,
    "slow_down": GeneratorOverloadedError,
    "refused_with_bomb": GeneratorRequestError,
    "refused_with_html": GeneratorKeyError,
    "refused_and_cut": GeneratorOverloadedError,
}


def open_generator(base_url: str, timeout: float = 30) -> OpenAIGenerator:
    return OpenAIGenerator(KEY, base_url=base_url, model=MODEL, timeout=timeout)


def fail(provider: Provider, behaviour: str) -> BaseException | None:
    provider.behave(behaviour)
    generator = open_generator(provider.base_url, DEADLINE if behaviour in ENDLESS else PATIENCE)
    with ThreadPoolExecutor() as threads:
        call = threads.submit(generator.generate, ImageOrder("secret prompt", "ann"))
        # a call that is still there then has missed its deadline by far
        return call.exception(PATIENCE)


def test_every_behaviour_of_the_provider_is_expected_here_or_among_the_odd_ones() -> None:
    expected = set(OUTCOMES) | set(IMAGES) | set(ODD_ANSWERS)
    assert expected == set(BEHAVIOURS) == set(ANSWERS) | set(STREAMS)


@pytest.mark.parametrize(("behaviour", "content"), IMAGES.items(), ids=list(IMAGES))
def test_an_image_comes_back_byte_for_byte(
    provider: Provider, behaviour: str, content: bytes
) -> None:
    provider.behave(behaviour)
    timeout = 1 if behaviour == "stall_after_image" else PATIENCE
    generator = open_generator(provider.base_url, timeout)
    assert generator.generate(ImageOrder("a fox", "ann")).content == content


def test_an_image_is_described_as_it_is(provider: Provider) -> None:
    provider.behave("jpeg")
    image = open_generator(provider.base_url).generate(ImageOrder("a fox", "ann"))
    assert (image.media_type, image.width, image.height) == ("image/jpeg", 16, 16)
    assert (image.generator, image.model) == ("openai", MODEL)


def check_failure(
    provider: Provider, behaviour: str, error: BaseException | None, log: str
) -> None:
    """Compare the error's class and answer, the requests that were made, and what is told."""
    assert isinstance(error, GenerationError)
    assert type(error) is OUTCOMES[behaviour]
    assert (provider.paid_requests, provider.other_requests, provider.connections) == (1, 0, 1)
    if behaviour not in (*ENDLESS_ANSWERS, "drip"):
        assert error.answer == find_answer(behaviour, type(error))
    told = "".join(traceback.format_exception(error)) + log
    # the line of this test that asks for the image is part of the traceback
    assert not re.search(r"sk-secret|The stand-in repeats|Welcome", told)
    # the answer is for the operator, and long
    answer, further = bytes(error.answer or b""), {**vars(error), "answer": None}
    assert "secret prompt" not in f"{error!r} {further} {log}"
    assert b"secret prompt" not in answer


def find_answer(behaviour: str, kind: type[GenerationError]) -> bytes | None:
    """Return what comes with an error: the bytes that may have been paid for."""
    if behaviour in STREAMS:
        return CUT_ANSWERS.get(behaviour)
    if not issubclass(kind, GeneratorResponseError | GenerationUnknownError | ImageRejectedError):
        return None
    body = ANSWERS[behaviour].body
    return (body if isinstance(body, bytes) else json.dumps(body).encode()) or None


@pytest.mark.parametrize("behaviour", [name for name in OUTCOMES if name not in ENDLESS_ANSWERS])
def test_a_failure_has_its_class_and_answer_tells_no_secret_and_costs_one_request(
    provider: Provider, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    check_failure(provider, behaviour, fail(provider, behaviour), caplog.text)


@pytest.mark.parametrize("behaviour", ENDLESS_ANSWERS)
def test_an_answer_without_end_fails_alike_and_takes_a_bounded_amount_of_memory(
    provider: Provider, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracemalloc.start()
    try:
        error = fail(provider, behaviour)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()
    check_failure(provider, behaviour, error, caplog.text)


def test_the_provider_is_asked_not_to_compress(provider: Provider) -> None:
    open_generator(provider.base_url).generate(ImageOrder("a fox", "ann"))
    assert provider.requests[0].headers["Accept-Encoding"] == "identity"


def test_a_link_is_named_in_the_error_and_not_followed(provider: Provider) -> None:
    error = fail(provider, "no_b64")
    assert "link" in str(error)
    assert (provider.connections, provider.other_requests) == (1, 0)


def test_a_delay_that_the_provider_names_is_passed_on(provider: Provider) -> None:
    error = fail(provider, "rate_limit_exceeded")
    assert isinstance(error, GenerationError)
    assert error.retry_after == RATE_LIMIT_SECONDS


def test_an_exhausted_account_is_worth_a_retry_after_an_hour(provider: Provider) -> None:
    error = fail(provider, "insufficient_quota")
    assert isinstance(error, GenerationError)
    assert error.retry_after == 3600


def test_a_refusal_carries_the_provider_s_own_request_id(provider: Provider) -> None:
    error = fail(provider, "bad_request")
    assert isinstance(error, GenerationError)
    assert error.upstream_request_id == "req_stand_in"


@pytest.mark.parametrize("behaviour", ["insufficient_quota", "unauthorized"])
def test_a_refusal_that_needs_an_operator_is_logged_as_critical(
    provider: Provider, behaviour: str, caplog: pytest.LogCaptureFixture
) -> None:
    fail(provider, behaviour)
    ours = [record for record in caplog.records if record.name.startswith("pixy_service")]
    assert [record.levelno for record in ours] == [logging.CRITICAL]


def test_a_refused_connection_means_that_the_provider_was_never_reached() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(GeneratorUnreachableError):
        open_generator(f"http://127.0.0.1:{port}/v1").generate(ImageOrder("a fox", "ann"))


def test_a_name_that_has_no_address_means_that_the_provider_was_never_reached() -> None:
    with pytest.raises(GeneratorUnreachableError):
        open_generator("http://provider.invalid/v1").generate(ImageOrder("a fox", "ann"))


def test_a_failed_tls_handshake_means_that_the_provider_was_never_reached(
    provider: Provider,
) -> None:
    with pytest.raises(GeneratorUnreachableError):
        open_generator(provider.base_url.replace("http:", "https:")).generate(
            ImageOrder("a", "ann")
        )


def test_the_model_is_named_and_nothing_is_sent_that_the_provider_refuses(
    provider: Provider,
) -> None:
    open_generator(provider.base_url).generate(ImageOrder("a fox 🦊", "ann"))
    body = provider.requests[0].body
    assert (body["model"], body["prompt"]) == (MODEL, "a fox 🦊")
    assert not {"response_format", "style", "user"} & set(body)


def test_size_and_quality_are_sent_where_they_are_asked_for(provider: Provider) -> None:
    generator = open_generator(provider.base_url)
    generator.generate(ImageOrder("a fox", "ann"))
    generator.generate(ImageOrder("a fox", "ann", size="auto", quality="high"))
    generator.generate(ImageOrder("a fox", "ann", size="1536x864", quality="auto"))
    sent = [{key: r.body.get(key) for key in ("size", "quality")} for r in provider.requests]
    assert sent == [
        {"size": None, "quality": None},
        {"size": None, "quality": "high"},
        {"size": "1536x864", "quality": None},
    ]


def test_an_unsupported_option_is_refused_without_a_request(provider: Provider) -> None:
    generator = OpenAIGenerator(
        KEY, base_url=provider.base_url, model="gpt-image-2", timeout=PATIENCE
    )
    generator.check(ImageRequest(prompt="x", size="1536x864", quality="high"))
    with pytest.raises(InvalidInputError):
        generator.check(ImageRequest(prompt="x", size="1536x864", quality="max"))
    assert provider.connections == 0


def test_the_key_is_sent_as_a_bearer_token(provider: Provider) -> None:
    open_generator(provider.base_url).generate(ImageOrder("a fox", "ann"))
    assert provider.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_the_provider_learns_a_hash_of_the_user_and_not_the_name(provider: Provider) -> None:
    generator = open_generator(provider.base_url)
    for user in ("ann", "ann", "bär"):
        generator.generate(ImageOrder("a fox", user))
    first, second, other = (request.body["safety_identifier"] for request in provider.requests)
    assert first == second != other
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert "ann" not in str(provider.requests)


def test_each_image_has_a_connection_of_its_own(provider: Provider) -> None:
    generator = open_generator(provider.base_url)
    for _ in range(3):
        generator.generate(ImageOrder("a fox", "ann"))
    assert provider.connections == 3


def test_an_image_is_taken_though_no_thread_can_be_started_any_more(provider: Provider) -> None:
    # a name is looked up in a thread, which another one ends
    base_url = provider.base_url.replace("127.0.0.1", "localhost")
    generator = OpenAIGenerator(
        KEY, base_url=base_url, model=MODEL, timeout=PATIENCE, partial_images=1
    )
    usual = threading.stack_size()

    def exhaust(_: bytes) -> None:
        # more than there is memory for
        threading.stack_size(1 << 46)

    try:
        image = generator.generate(ImageOrder("a fox", "ann"), exhaust)
    finally:
        threading.stack_size(usual)
    assert image.content == PNG
