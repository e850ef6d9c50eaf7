"""When lines are written, and what they look like."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from io import StringIO

import pytest

from log_format import LINE
from pixy_web.server.log_lines import LineHandler, LogFormatter


class Stream(StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)

    @property
    def messages(self) -> list[str]:
        lines = [LINE.fullmatch(line) for line in self.getvalue().splitlines()]
        return [line["message"] for line in lines if line]


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def log(stream: Stream) -> Iterator[logging.Logger]:
    handler = LineHandler(stream)
    handler.setFormatter(LogFormatter())
    logger = logging.getLogger("a logger of these tests alone")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_lines_of_one_turn_of_the_loop_are_written_at_once(
    stream: Stream, log: logging.Logger
) -> None:
    async def work() -> None:
        for turn in ("one", "two"):
            log.info("%s, first", turn)
            log.info("%s, second", turn)
            await asyncio.sleep(0)

    asyncio.run(work())
    assert stream.messages == ["one, first", "one, second", "two, first", "two, second"]
    assert stream.writes == 2


def test_a_warning_is_written_before_anything_else_happens(
    stream: Stream, log: logging.Logger
) -> None:
    async def work() -> list[str]:
        log.info("before")
        log.warning("now")
        return stream.messages

    assert asyncio.run(work()) == ["before", "now"]


def test_without_a_loop_a_line_is_written_at_once(stream: Stream, log: logging.Logger) -> None:
    log.info("a line")
    assert stream.messages == ["a line"]


def test_lines_of_a_thread_and_of_the_loop_stay_in_order(
    stream: Stream, log: logging.Logger
) -> None:
    async def work() -> None:
        log.info("of the loop")
        thread = threading.Thread(target=log.info, args=("of a thread",))
        thread.start()
        thread.join()

    asyncio.run(work())
    assert stream.messages == ["of the loop", "of a thread"]


def test_what_a_loop_left_behind_is_written_in_the_end(stream: Stream, log: logging.Logger) -> None:
    loop = asyncio.new_event_loop()

    def work() -> None:
        loop.stop()
        log.info("the last words")

    loop.call_soon(work)
    loop.run_forever()
    loop.close()
    assert stream.messages == []
    for handler in log.handlers:
        handler.flush()
    assert stream.messages == ["the last words"]


def test_a_loop_waits_for_no_other_loop_s_turn(stream: Stream, log: logging.Logger) -> None:
    other = asyncio.new_event_loop()

    def leave() -> None:
        other.stop()
        log.info("left behind")

    other.call_soon(leave)
    other.run_forever()
    other.close()

    async def work() -> list[str]:
        log.info("a line")
        await asyncio.sleep(0)
        return stream.messages

    assert asyncio.run(work()) == ["left behind", "a line"]


def test_a_line_is_not_lost_when_others_are_written_while_it_is_put_together(
    stream: Stream, log: logging.Logger
) -> None:
    class Talkative:
        def __str__(self) -> str:
            log.warning("first words")
            return "the line"

    # not by the logger: pytest's own handler would ask for the text, too
    text = Talkative()
    log.handlers[0].handle(log.makeRecord(log.name, logging.INFO, "", 1, text, (), None, "work"))
    assert stream.messages == ["first words", "the line"]


def test_a_line_that_has_no_text_harms_nobody(
    stream: Stream, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    # not by the logger: pytest's own handler, which is asked first, raises
    log.handlers[0].handle(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    log.info("a line")
    assert stream.messages == ["a line"]
    assert "no number" in capsys.readouterr().err


def test_a_traceback_stays_in_the_format_line_by_line(stream: Stream, log: logging.Logger) -> None:
    try:
        raise ValueError("two\nlines\x1b[0m")
    except ValueError:
        log.exception("it\rfailed")
    lines = stream.getvalue().splitlines()
    assert len(lines) > 3
    assert all(LINE.fullmatch(line) for line in lines)
    assert lines[0].endswith("it\\x0dfailed")
