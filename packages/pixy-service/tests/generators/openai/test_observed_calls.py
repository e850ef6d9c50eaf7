"""An observer gets each request for an image, and no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from pixy_core import GenerationError, PromptRejectedError
from pixy_service import ObserveCall, OpenAIGenerator, ProviderCall
from pixy_service.generators.interface import ImageOrder
from provider import Provider
from provider_answers import PNG

ORDER = ImageOrder("a fox", "ann")


class Observer:
    """Keeps the calls that have ended, and the exceptions that ended them."""

    def __init__(self) -> None:
        self.ended: list[tuple[ProviderCall, type[BaseException] | None]] = []

    @contextmanager
    def __call__(self, call: ProviderCall) -> Iterator[None]:
        assert call.status is None
        try:
            yield
        except BaseException as error:
            self.ended.append((call, type(error)))
            raise
        self.ended.append((call, None))


@pytest.fixture
def observer() -> Observer:
    return Observer()


def make_generator(provider: Provider, observe_call: ObserveCall) -> OpenAIGenerator:
    return OpenAIGenerator(
        "sk-of-the-test", base_url=provider.base_url, model="m", observe_call=observe_call
    )


def test_a_call_is_observed_without_prompt_user_and_key(
    provider: Provider, observer: Observer
) -> None:
    generator = make_generator(provider, observer)
    assert generator.list_provider_models()
    assert generator.generate(ORDER).content == PNG
    server = urlsplit(provider.base_url)
    call = ProviderCall(
        provider="openai",
        method="POST",
        path="/v1/images/generations",
        host="127.0.0.1",
        port=server.port,
        model="m",
        status=200,
    )
    assert observer.ended == [(call, None)]


def test_a_refused_call_has_its_status_and_its_error(
    provider: Provider, observer: Observer
) -> None:
    provider.behave("moderation_blocked")
    with pytest.raises(PromptRejectedError):
        make_generator(provider, observer).generate(ORDER)
    ((call, error),) = observer.ended
    assert (call.status, error) == (400, PromptRejectedError)


def test_an_observer_that_fails_before_the_call_lets_nothing_leave(provider: Provider) -> None:
    @contextmanager
    def fail(call: ProviderCall) -> Iterator[None]:
        raise RuntimeError(call.path)
        yield

    with pytest.raises(GenerationError):
        make_generator(provider, fail).generate(ORDER)
    assert provider.paid_requests == 0


def test_an_observer_that_fails_after_the_call_loses_no_image(provider: Provider) -> None:
    @contextmanager
    def fail(call: ProviderCall) -> Iterator[None]:
        yield
        raise RuntimeError(call.path)

    assert make_generator(provider, fail).generate(ORDER).content == PNG
