"""Log lines that nobody reads, on real pipes and sockets."""

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from pixy_web.server.log_stream import MAX_WAITING_BYTES, LogStream, open_sender, poll_first

BLOCK = "".join(f"line {number} {'x' * 90}\n" for number in range(1000))


def describe_loss(count: int) -> str:
    return f"{count} lost\n"


@pytest.fixture(params=["pipe", "socket", "another user's pipe"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[int, LogStream]]:
    """The reading descriptor, and a stream that writes to it."""
    if request.param == "socket":
        reader, writer = (each.detach() for each in socket.socketpair())
    else:
        reader, writer = os.pipe()
    # root can always reopen a pipe; the third case tests a stream that can't
    send = poll_first(writer) if "another" in request.param else open_sender(writer)
    yield reader, LogStream(writer, send, describe_loss)
    os.close(writer)
    os.close(reader)


def read_until(reader: int, is_end: Callable[[bytes], bool]) -> str:
    content = b""
    while not is_end(content):
        content += os.read(reader, 65536)
    return content.decode()


def test_lines_are_written_immediately(ends: tuple[int, LogStream]) -> None:
    reader, stream = ends
    stream.write("one\ntwo\n")
    assert os.read(reader, 100) == b"one\ntwo\n"


def test_lines_that_nobody_reads_are_dropped_and_counted(ends: tuple[int, LogStream]) -> None:
    reader, stream = ends
    written = 0
    while written < 3 * MAX_WAITING_BYTES:
        written += stream.write(BLOCK)
    # from here on nothing is added; waiting lines are written as soon as the pipe is read
    lines = read_until(reader, lambda content: content.endswith(b" lost\n")).splitlines()
    expected = BLOCK.splitlines() * (written // len(BLOCK))
    assert lines[:-1] == expected[: len(lines) - 1]
    assert lines[-1] == f"{len(expected) - len(lines) + 1} lost"
    stream.write("next\n")
    assert os.read(reader, 100) == b"next\n"


def test_a_late_reader_loses_nothing(ends: tuple[int, LogStream]) -> None:
    reader, stream = ends
    for _ in range(6):
        stream.write(BLOCK)
    stream.write("the end\n")
    assert read_until(reader, lambda content: content.endswith(b"end\n")) == BLOCK * 6 + "the end\n"


def test_the_end_of_a_process_does_not_wait_for_ever(ends: tuple[int, LogStream]) -> None:
    reader, stream = ends
    for _ in range(6):
        stream.write(BLOCK)
    stream.drain()
    read_until(reader, lambda content: len(content) == 6 * len(BLOCK))


def test_a_closed_reader_causes_no_error() -> None:
    reader, writer = os.pipe()
    stream = LogStream(writer, open_sender(writer), describe_loss)
    os.close(reader)
    for number in range(3):
        stream.write(f"{number}\n")
    stream.drain()
    os.close(writer)


def test_the_shared_descriptor_stays_blocking(ends: tuple[int, LogStream]) -> None:
    _, stream = ends
    stream.write(BLOCK)
    assert os.get_blocking(stream._descriptor)


def test_lines_are_appended_to_a_file_that_others_write(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    with path.open("w") as file:
        file.write("before\n")
        file.flush()
        stream = LogStream(file.fileno(), open_sender(file.fileno()), describe_loss)
        stream.write("one\n")
        os.write(file.fileno(), b"another's\n")
        stream.write("two\n")
    assert path.read_text() == "before\none\nanother's\ntwo\n"
