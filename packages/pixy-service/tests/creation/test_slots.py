import threading
from contextvars import ContextVar

import pytest

from pixy_core import GenerationBusyError, ServiceClosedError
from pixy_service.creation.slots import GenerationExecutor

TIMEOUT = 30


class Gate:
    """Work that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.thread: threading.Thread | None = None

    def work(self) -> str:
        self.thread = threading.current_thread()
        assert self.is_open.wait(TIMEOUT)
        return "done"


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_work_runs_in_a_thread_of_its_own_and_its_result_comes_back(gate: Gate) -> None:
    gate.is_open.set()
    assert GenerationExecutor(1).submit(gate.work).result(TIMEOUT) == "done"
    assert gate.thread is not threading.current_thread()


def test_an_exception_comes_back_as_it_was_raised() -> None:
    def fail() -> None:
        raise KeyError("reason")

    with pytest.raises(KeyError, match="reason"):
        GenerationExecutor(1).submit(fail).result(TIMEOUT)


def test_work_is_refused_at_once_when_all_slots_are_taken(gate: Gate) -> None:
    executor = GenerationExecutor(2)
    running = [executor.submit(gate.work) for _ in range(2)]
    with pytest.raises(GenerationBusyError):
        executor.submit(gate.work)
    gate.is_open.set()
    assert [future.result(TIMEOUT) for future in running] == ["done", "done"]


def test_a_slot_is_free_as_soon_as_a_result_is_known() -> None:
    executor = GenerationExecutor(1)
    for _ in range(200):
        executor.submit(lambda: None).result(TIMEOUT)


def test_failed_work_releases_its_slot() -> None:
    executor = GenerationExecutor(1)

    def fail() -> None:
        raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            executor.submit(fail).result(TIMEOUT)


def test_a_refusal_takes_no_slot(gate: Gate) -> None:
    executor = GenerationExecutor(1)
    running = executor.submit(gate.work)
    for _ in range(3):
        with pytest.raises(GenerationBusyError):
            executor.submit(gate.work)
    gate.is_open.set()
    running.result(TIMEOUT)
    assert executor.submit(gate.work).result(TIMEOUT) == "done"


def test_work_that_runs_can_t_be_cancelled(gate: Gate) -> None:
    future = GenerationExecutor(1).submit(gate.work)
    assert not future.cancel()
    gate.is_open.set()
    assert future.result(TIMEOUT) == "done"


def test_the_caller_s_context_variables_are_seen_by_the_work() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    variable.set("request id")
    assert GenerationExecutor(1).submit(variable.get).result(TIMEOUT) == "request id"


def test_a_closed_executor_takes_no_work() -> None:
    executor = GenerationExecutor(1)
    executor.close()
    with pytest.raises(ServiceClosedError):
        executor.submit(lambda: None)


def test_closing_waits_for_running_work(gate: Gate) -> None:
    executor = GenerationExecutor(1)
    future = executor.submit(gate.work)
    is_done_at_close = []

    def close() -> None:
        executor.close()
        is_done_at_close.append(gate.is_open.is_set())

    closing = threading.Thread(target=close)
    closing.start()
    while True:
        try:
            executor.submit(lambda: None)
        except GenerationBusyError:
            continue
        except ServiceClosedError:
            break
    gate.is_open.set()
    closing.join(TIMEOUT)
    assert is_done_at_close == [True]
    assert future.result(TIMEOUT) == "done"


def test_closing_twice_is_allowed() -> None:
    executor = GenerationExecutor(1)
    executor.close()
    executor.close()


def test_the_number_of_taken_slots_is_told_whenever_it_changes() -> None:
    told: list[int] = []
    executor = GenerationExecutor(1, told.append)
    executor.submit(lambda: None).result(TIMEOUT)
    with pytest.raises(ZeroDivisionError):
        executor.submit(lambda: 1 // 0).result(TIMEOUT)
    assert told == [1, 0, 1, 0]
