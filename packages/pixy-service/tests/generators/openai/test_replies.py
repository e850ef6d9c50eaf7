"""An answer in pieces, and partial images that must not be taken for the finished one."""

import base64
import json
import subprocess
import sys

import pytest

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorResponseError,
    ImageRejectedError,
    PromptRejectedError,
)
from pixy_service.generators.interface import ignore_partial
from pixy_service.generators.openai.replies import Answer
from provider import Provider
from provider_answers import LARGE_PNG, PNG, make_png

SHORT_OF_MEMORY = """
import base64, resource, sys
from pixy_service.generators.interface import ImageOrder, ignore_partial
from pixy_service.generators.openai.replies import Answer

image = sys.stdin.buffer.read()
answer = Answer(0, ignore_partial)
answer.feed(b'{"data": [{"b64_json": "' + base64.b64encode(image) + b'"}]}')
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 30_000_000, -1))
try:
    answer.conclude(None)
except MemoryError:
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    print(answer.conclude(None).content == image)
"""
SHORT_WHILE_IT_ARRIVES = """
import base64, resource, sys, threading
from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.generator import OpenAIGenerator

def limit(partial):
    # a thread needs memory, too
    relief.start()
    held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 8_000_000, -1))

relief = threading.Timer(1, resource.setrlimit, (resource.RLIMIT_AS, (-1, -1)))
generator = OpenAIGenerator("sk-x", base_url=sys.argv[1], model="m", timeout=30, partial_images=1
)
image = generator.generate(ImageOrder("a fox", "ann"), limit)
print(len(image.content))
"""
ROUGH = base64.b64encode(make_png(8, 8)).decode()
FINAL = base64.b64encode(PNG).decode()
COMPLETED = b'data: {"type": "image_generation.completed", "b64_json": "%s"}\n\n' % FINAL.encode()


def answer(content: bytes, *, most: int = 2, length: int = 1_000_000) -> Answer:
    answer = Answer(most, ignore_partial)
    for start in range(0, len(content), length):
        answer.feed(content[start : start + length])
    return answer


def conclude(content: bytes, failure: GenerationError | None = None, most: int = 2) -> bytes:
    return answer(content, most=most).conclude(failure).content


def event(name: str = "", **members: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(members)}\n\n".encode()


PARTIAL_ONLY = {
    "typed": event(type="image_generation.partial_image", b64_json=ROUGH),
    "named": event("image_generation.partial_image", b64_json=ROUGH),
    "numbered": event(partial_image_index=0, b64_json=ROUGH),
    "numbered_in_a_completed_event": event(
        "image_generation.completed", partial_image_index=0, b64_json=ROUGH
    ),
    "under_its_own_name": event(partial_image_b64=ROUGH),
    "bare": f"event: image_generation.partial_image\ndata: {ROUGH}\n\n".encode(),
    "numbered_inside": event(data=[{"partial_image_index": 0, "b64_json": ROUGH}]),
    "cut": event("image_generation.partial_image", b64_json=ROUGH)[:-5],
    "cut_before_its_number": event(b64_json=ROUGH, partial_image_index=0)[:-30],
    "as_a_body": json.dumps({"partial_image_index": 0, "b64_json": ROUGH}).encode(),
    "as_a_broken_body": json.dumps({"partial_image_index": 0, "b64_json": ROUGH}).encode()[:-1],
    "as_lines": b'{"partial_image_index": 0, "b64_json": "%s"}\n' % ROUGH.encode() * 3,
}


@pytest.mark.parametrize("name", PARTIAL_ONLY)
def test_a_partial_image_is_never_the_image(name: str) -> None:
    with pytest.raises(GenerationUnknownError) as caught:
        conclude(PARTIAL_ONLY[name], GenerationUnknownError())
    assert caught.value.answer == PARTIAL_ONLY[name]
    if "cut" not in name:
        with pytest.raises((GenerationUnknownError, GeneratorResponseError)):
            conclude(PARTIAL_ONLY[name])


def test_an_event_that_says_nothing_is_the_image_only_if_the_stream_ended() -> None:
    content = event(b64_json=ROUGH) + event(b64_json=FINAL)
    assert conclude(content) == PNG
    with pytest.raises(GenerationTimeoutError):
        conclude(content, GenerationTimeoutError())
    # where no partial image was asked for there is none
    assert conclude(content, GenerationTimeoutError(), most=0) == PNG


def test_an_image_that_came_before_a_break_is_taken() -> None:
    body = b'{"data": [{"b64_json": "%s"' % FINAL.encode()
    for content in (body, body[:-1], body + b"}]}", COMPLETED, COMPLETED[:-4]):
        assert conclude(content, GenerationUnknownError()) == PNG
    for content in (body[: len(body) // 2], COMPLETED[: len(COMPLETED) // 2], b""):
        with pytest.raises(GenerationUnknownError) as caught:
            conclude(content, GenerationUnknownError())
        assert caught.value.answer == (content or None)


@pytest.mark.parametrize("encoded", ["", "anVuaw=="])
def test_what_follows_a_completed_event_without_an_image_is_read(encoded: str) -> None:
    received = Answer(0, ignore_partial)
    received.feed(event(type="image_generation.completed", b64_json=encoded))
    assert not received.is_complete
    received.feed(COMPLETED)
    assert received.is_complete
    assert received.conclude(None).content == PNG


def test_an_image_next_to_an_error_is_not_the_answer() -> None:
    body = {"error": {"code": "moderation_blocked"}, "input": [FINAL]}
    with pytest.raises(PromptRejectedError):
        conclude(json.dumps(body).encode())


def test_an_image_whose_text_looks_like_an_event_is_taken() -> None:
    # an IEND of no length ends the file, and what follows it is ignored
    image = PNG + b"\ndata: steps\n\n"
    assert conclude(image) == image


def test_an_image_that_is_a_part_of_the_body_is_taken() -> None:
    body = b"--x\r\nContent-Type: image/png\r\n\r\n" + PNG + b"\r\n--x--\r\n"
    assert conclude(body).startswith(PNG)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 100])
def test_an_answer_is_the_same_in_pieces_of_every_length(length: int) -> None:
    shown: list[bytes] = []
    received = Answer(1, shown.append)
    content = b" \r\n\xef\xbb\xbf" + event(partial_image_index=0, b64_json=ROUGH) + COMPLETED
    for start in range(0, len(content), length):
        received.feed(content[start : start + length])
    assert received.is_complete
    assert received.conclude(None).content == PNG
    assert shown == [base64.b64decode(ROUGH)]


def test_an_error_before_a_break_tells_what_happened() -> None:
    refusal = event(error={"code": "moderation_blocked"})
    with pytest.raises(PromptRejectedError):
        conclude(refusal, GenerationTimeoutError())
    stage = {"moderation_stage": "output"}
    refusal = event(error={"code": "moderation_blocked", "moderation_details": stage})
    with pytest.raises(ImageRejectedError) as caught:
        conclude(refusal)
    assert caught.value.answer == refusal


@pytest.mark.parametrize(
    "content", [b'{"x": ' * 200_000, b"[" * 5_000_000, b"data: {}\n\n" * 10_000, b"0 " * 1_000_000]
)
def test_junk_is_read_to_its_end(content: bytes) -> None:
    with pytest.raises((GeneratorResponseError, GenerationUnknownError)):
        conclude(content)


def test_an_event_is_read_again_after_a_lack_of_memory() -> None:
    def lack(_: bytes) -> None:
        raise MemoryError

    received = Answer(1, lack)
    received.feed(event(partial_image_index=0, b64_json=ROUGH))
    received.feed(COMPLETED)
    assert received.conclude(None).content == PNG


def test_an_answer_waits_for_memory_while_it_arrives(provider: Provider) -> None:
    provider.behave("large")
    command = [sys.executable, "-c", SHORT_WHILE_IT_ARRIVES, provider.base_url]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.stdout == b"%d\n" % len(LARGE_PNG), ended.stderr


def test_an_answer_is_read_again_after_a_lack_of_memory() -> None:
    # 64 million pixels
    image = make_png(8000, 8000)
    command = [sys.executable, "-c", SHORT_OF_MEMORY]
    ended = subprocess.run(command, input=image, capture_output=True, timeout=60, check=False)
    assert ended.stdout == b"True\n", ended.stderr
