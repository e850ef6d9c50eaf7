"""When a delivery is noted, and what a failure after the purchase becomes."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import ClientDisconnect, Request

from pixy_core import (
    Creation,
    GenerationUnknownError,
    ImageRequest,
    PixyProxyException,
)
from pixy_service import Created, Submission
from pixy_web.http.v1.answers import DeliveredResponse
from pixy_web.http.v1.callers import Caller
from pixy_web.http.v1.making import Making, Outcome
from pixy_web.http.v1.requests import Wanted


class Noted:
    """Takes the place of the images of a request, and records the calls."""

    def __init__(self) -> None:
        self.has_left = False
        self.calls: list[str] = []

    async def note_delivery(self) -> None:
        self.calls.append("delivered")

    async def release(self) -> None:
        self.calls.append("released")


async def two_pieces() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


@pytest.mark.parametrize(
    ("leaves_after", "call"), [(None, "delivered"), (1, "released"), (3, "released")]
)
def test_a_delivery_is_noted_if_the_client_is_there_after_the_last_byte(
    leaves_after: int | None, call: str
) -> None:
    noted, sent = Noted(), []

    async def send(message: Any) -> None:
        noted.has_left = len(sent) == leaves_after
        sent.append(message)

    answer = DeliveredResponse(cast("Any", noted), 200, {}, "text/plain", two_pieces())
    try:
        asyncio.run(answer({}, cast("Any", None), send))
    except ClientDisconnect:
        assert leaves_after is not None
    assert noted.calls == [call]


class Submits:
    """An image service whose create ends so."""

    def __init__(self, error: Exception, *, asked: bool) -> None:
        self._submission = Submission(Future[Creation](), Future[Created]())
        if asked:
            self._submission.asked.set_result(cast("Any", None))
        self._submission.created.set_exception(error)

    def submit_image(self, *_: object) -> Submission:
        return self._submission


def run_with(images: Submits) -> Outcome:
    runtime = SimpleNamespace(v1=SimpleNamespace(generation_timeout=1.0))
    scope = {
        "type": "http",
        "headers": [],
        "app": SimpleNamespace(state=SimpleNamespace(runtime=runtime)),
        "state": {"request_record": SimpleNamespace(is_abandoned=False)},
    }

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def run() -> list[Outcome]:
        wanted = Wanted(
            ImageRequest(prompt="a fox"), 1, is_stream=False, partial_images=0, has_url=False
        )
        caller = Caller("k" * 10, cast("Any", images))
        return await Making(Request(scope, receive), caller, wanted).run()

    (outcome,) = asyncio.run(run())
    return outcome


def test_a_mistake_after_the_provider_was_asked_is_an_unknown_outcome() -> None:
    assert isinstance(run_with(Submits(PixyProxyException(), asked=True)), GenerationUnknownError)


def test_a_mistake_before_the_provider_was_asked_stays_what_it_is() -> None:
    outcome = run_with(Submits(PixyProxyException(), asked=False))
    assert type(outcome) is PixyProxyException
