"""The order of the system calls of a create, and kills of the server at each: row F23."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from deployment import Deployment, wait_until
from syscalls import Strace, Syscall

CALLS = "fsync,fdatasync,rename,renameat,unlink,unlinkat,sendto,pwrite64"
FATAL = ("fsync", "fdatasync", "rename", "renameat", "unlink", "unlinkat")
"""The calls to be killed at: those that write names or make something durable."""


class CrashPoint(NamedTuple):
    """The n-th call of this name in the thread that makes an image."""

    name: str
    number: int


@pytest.fixture
def trace(deployment: Deployment, tmp_path: Path) -> list[Syscall]:
    """The system calls of the thread that makes an image, from the claim to the last step."""
    deployment.make_shelves()
    deployment.make_image("so that all is warm")
    strace = Strace(deployment.pixy.pid, tmp_path / "trace", CALLS)
    deployment.make_image("traced")
    calls = strace.stop()
    (thread,) = {call.thread for call in calls if call.name == "renameat"}
    return [call for call in calls if call.thread == thread]


def places(trace: list[Syscall], name: str, *words: str) -> list[int]:
    """Return the positions of the calls of this name with these words in their arguments."""
    return [
        position
        for position, call in enumerate(trace)
        if call.name == name and all(word in call.rest for word in words)
    ]


def commits(trace: list[Syscall]) -> list[int]:
    """Return the positions of commits: messages to MySQL, or syncs of SQLite's log."""
    return [
        position
        for position, call in enumerate(trace)
        if (call.name == "sendto" and "COMMIT" in call.rest)
        or (call.name == "fdatasync" and "-wal" in call.rest)
    ]


@pytest.mark.fault("F23")
def test_every_step_is_durable_before_the_next_one(trace: list[Syscall]) -> None:
    staging, reserved = places(trace, "fsync", "/.staging>"), places(trace, "fsync", "/journal>")
    order = [
        staging[0],
        reserved[0],
        # commits of the claim, and of the note that the provider is asked
        *commits(trace)[:2],
        *places(trace, "fsync", ".staging/", ".part"),
        *places(trace, "fsync", "/journal/", ".part"),
        *places(trace, "renameat", "/journal>"),
        reserved[1],
        *places(trace, "rename", "/.staging/"),
    ]
    assert order == sorted(order), trace
    assert (len(order), len(staging), len(reserved)) == (9, 1, 2), trace
    renamed = order[-1]
    folders = [
        position
        for position, call in enumerate(trace)
        if call.name == "fsync" and "/images/" in call.rest and ".part" not in call.rest
    ]
    synced = [position for position in folders if position > renamed]
    (forgotten,) = places(trace, "unlink", "/journal/")
    committed = [position for position in commits(trace) if position > renamed]
    assert renamed < synced[0] < committed[0] < forgotten, trace


def find_points(trace: list[Syscall]) -> list[CrashPoint]:
    """Return the calls to be killed at."""
    counts = Counter[str]()
    points = []
    for call in trace:
        counts[call.name] += 1
        is_commit = call.name == "sendto" and "COMMIT" in call.rest
        if is_commit or call.name in FATAL:
            points.append(CrashPoint(call.name, counts[call.name]))
    return points


@pytest.mark.slow
@pytest.mark.fault("F23")
def test_the_server_is_killed_at_each_call_that_matters(
    deployment: Deployment, trace: list[Syscall], tmp_path: Path
) -> None:
    points = find_points(trace)
    assert len(points) >= 9, trace
    durable: dict[str, str] = {}
    for point in points:
        if not deployment.pixy.is_running:
            deployment.pixy.start()
        wait_until(lambda: not deployment.journal())
        inject = f"{point.name}:signal=KILL:when={point.number}"
        strace = Strace(deployment.pixy.pid, tmp_path / "killed", point.name, inject)
        name = f"killed at {point.name} {point.number}"
        with pytest.raises(httpx2.TransportError):
            deployment.post(name, name)
        strace.stop()
        for guid in deployment.journal():
            durable[deployment.journal_entry(guid)["image"]["prompt"]] = guid
        deployment.crash()
    deployment.pixy.start()
    deployment.wait_for_recovery()
    outcomes = Counter[str]()
    for point in points:
        name = f"killed at {point.name} {point.number}"
        bought = deployment.provider.purchases.count(name)
        again = deployment.post(name, name)
        outcomes[f"{bought} bought before, then {again.status_code}"] += 1
        if name in durable:
            assert (again.status_code, again.json()["guid"]) == (201, durable[name]), name
        elif bought:
            assert (again.status_code, again.json()["code"]) == (502, "outcome_unknown"), name
        else:
            assert again.status_code == 201, name
        assert deployment.provider.purchases.count(name) == 1, name
    # at least one kill before the provider, one before the journal, and one after it
    assert set(outcomes) == {
        "0 bought before, then 201",
        "1 bought before, then 502",
        "1 bought before, then 201",
    }
