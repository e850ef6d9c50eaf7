"""Paid answers that hold no image: kept for an operator, whatever the caller is told."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorRequestError,
    GeneratorResponseError,
    ImageRequest,
    User,
)
from pixy_service import GeneratedImage
from pixy_service.creation.creator import ImageCreator
from pixy_service.generators.interface import ImageOrder, OnPartial, ignore_partial
from provider import Provider

ASKED = ImageRequest(prompt="a secret lighthouse", size="1536x1024")
ANSWER = b"what was paid for \xff"


class Fails:
    """Fails with an answer, or without one."""

    name = "sketch"
    models = ("sketch-1",)

    def __init__(self, error: GenerationError) -> None:
        self._error = error

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        del order, on_partial
        raise self._error

    def close(self) -> None:
        """Do nothing."""


def list_kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "quarantine").glob("*"))


def fail(
    open_creator: Callable[..., ImageCreator], owner: User, error: GenerationError | None
) -> GenerationError:
    creator = open_creator() if error is None else open_creator(Fails(error))
    with pytest.raises(GenerationError) as caught:
        creator.create(ASKED, owner)
    return caught.value


@pytest.mark.parametrize(
    "kind", [GeneratorResponseError, GenerationUnknownError, GenerationTimeoutError]
)
def test_an_answer_that_may_have_been_paid_for_is_kept_with_its_creation(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: type[GenerationError],
) -> None:
    error = kind(answer=ANSWER, upstream_request_id="req_1")
    assert fail(open_creator, people[0], error) is error
    answer, note = list_kept(tmp_path)
    assert answer.read_bytes() == ANSWER
    told = json.loads(note.read_bytes())
    assert (answer.name, note.name) == (f"{told['guid']}.answer", f"{told['guid']}.json")
    wanted = {"owner": "ann", "prompt": ASKED.prompt, "size": "1536x1024", "quality": "auto"}
    assert told.items() >= {**wanted, "code": kind.code, "upstream_request_id": "req_1"}.items()
    (line,) = [r for r in caplog.records if answer.name in r.getMessage()]
    assert line.levelno == logging.CRITICAL
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        GeneratorRequestError(answer=ANSWER),
        GeneratorResponseError(),
        GeneratorResponseError(answer=b""),
    ],
)
def test_a_free_or_empty_answer_is_not_kept(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    tmp_path: Path,
    error: GenerationError,
) -> None:
    fail(open_creator, people[0], error)
    assert list_kept(tmp_path) == []


def test_an_answer_that_can_t_be_kept_changes_nothing_for_the_caller(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "quarantine").write_bytes(b"")
    error = GeneratorResponseError(answer=ANSWER)
    assert fail(open_creator, people[0], error) is error
    lines = [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]
    assert [line.endswith("is lost") for line in lines] == [True]


def test_the_provider_s_own_answer_is_kept(
    open_creator: Callable[..., ImageCreator],
    provider: Provider,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    provider.behave("null_data")
    fail(open_creator, people[0], None)
    answer, _ = list_kept(tmp_path)
    assert json.loads(answer.read_bytes()) == {"created": 1, "data": None}
