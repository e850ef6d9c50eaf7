"""Formats and buffering of log lines."""

import asyncio
import json
import logging
import os
import re
import threading
from collections.abc import Iterator
from io import StringIO

import pytest

from log_format import LINE
from pixy_web.server.log_lines import JsonFormatter, LineHandler, LogFormatter, current_request_id


class Stream(StringIO):
    """A stream that counts its writes."""

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


def test_lines_of_one_iteration_of_the_loop_are_written_together(
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


def test_a_warning_is_written_immediately(stream: Stream, log: logging.Logger) -> None:
    async def work() -> list[str]:
        log.info("before")
        log.warning("now")
        return stream.messages

    assert asyncio.run(work()) == ["before", "now"]


def test_without_a_loop_a_line_is_written_immediately(stream: Stream, log: logging.Logger) -> None:
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


def test_lines_that_a_stopped_loop_has_left_are_written_at_a_flush(
    stream: Stream, log: logging.Logger
) -> None:
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


def test_a_loop_does_not_wait_for_another_loop(stream: Stream, log: logging.Logger) -> None:
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


def test_a_line_is_not_lost_if_formatting_it_logs_another_line(
    stream: Stream, log: logging.Logger
) -> None:
    class Talkative:
        def __str__(self) -> str:
            log.warning("first words")
            return "the line"

    # not through the logger: pytest's own handler would also format the line
    text = Talkative()
    log.handlers[0].handle(log.makeRecord(log.name, logging.INFO, "", 1, text, (), None, "work"))
    assert stream.messages == ["first words", "the line"]


def test_a_line_that_can_t_be_formatted_loses_no_other_line(
    stream: Stream, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    # not through the logger: pytest's own handler comes first and raises
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


@pytest.fixture
def json_log(stream: Stream, log: logging.Logger) -> logging.Logger:
    for handler in log.handlers:
        if isinstance(handler, LineHandler):  # pytest adds handlers of its own
            handler.setFormatter(JsonFormatter())
    return log


def test_a_line_in_json_has_the_facts_of_one_in_text(
    stream: Stream, json_log: logging.Logger
) -> None:
    token = current_request_id.set("vm-20261129T025839.876520Z-7")
    json_log.info("%d apples", 3)
    current_request_id.reset(token)
    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("line") > 0
    assert line == {
        "level": "INFO",
        "request_id": "vm-20261129T025839.876520Z-7",
        "process": os.getpid(),
        "thread": threading.get_native_id(),
        "function": "test_a_line_in_json_has_the_facts_of_one_in_text",
        "message": "3 apples",
    }


def test_a_line_in_json_leaves_out_the_id_of_no_request(
    stream: Stream, json_log: logging.Logger
) -> None:
    json_log.info("a line")
    assert "request_id" not in json.loads(stream.getvalue())


@pytest.mark.parametrize("trace_id", ["0af7651916cd43dd8448eb211c80319c", None])
def test_a_line_in_json_has_the_id_of_its_trace(
    stream: Stream, json_log: logging.Logger, trace_id: str | None
) -> None:
    for handler in json_log.handlers:
        if isinstance(handler.formatter, JsonFormatter):
            handler.formatter.find_trace_id = lambda: trace_id
    json_log.info("a line")
    assert json.loads(stream.getvalue()).get("trace_id") == trace_id


def test_nothing_in_a_message_breaks_a_line_in_json(
    stream: Stream, json_log: logging.Logger
) -> None:
    text = 'a\r\n{"level": "INFO"}\x1b[31m\x7f\x85\u2028\u2029"\\'
    json_log.info("%s", text)
    assert stream.getvalue().isascii()
    assert stream.getvalue()[:-1].isprintable()
    assert json.loads(stream.getvalue())["message"] == text


def test_a_traceback_in_json_is_one_member(stream: Stream, json_log: logging.Logger) -> None:
    try:
        raise ValueError("two\nlines\x1b[0m")
    except ValueError:
        json_log.exception("it failed")
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert line["message"] == "it failed"
    first, *_, last_but_one, last = line["traceback"].splitlines()
    assert first == "Traceback (most recent call last):"
    assert (last_but_one, last) == ("ValueError: two", "lines\x1b[0m")
