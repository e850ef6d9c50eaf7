"""A disk that does not answer: row F82."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from deployment import Deployment, wait_until

LASTING = "SELECT guid FROM creations WHERE status = 'pending' AND expires_at > '2021-01-01'"


@contextmanager
def keeping_readers_waiting(path: Path) -> Iterator[None]:
    """Make a file whose first reader waits until this is left."""
    os.mkfifo(path)
    writers: list[int] = []

    def is_read() -> bool:
        # there is no reader yet
        with suppress(OSError):
            writers.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    wait_until(is_read, "somebody to read")
    path.unlink()
    try:
        yield
    finally:
        os.close(writers[0])


@pytest.mark.fault("F82")
def test_a_disk_that_does_not_answer_lets_no_lease_run_out(deployment: Deployment) -> None:
    silent = deployment.data / "journal" / f"{uuid.uuid4()}.json"
    deployment.make_image()
    with keeping_readers_waiting(silent), ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            before = deployment.provider.paid_requests
            posted = threads.submit(deployment.post, "an image that takes long")
            deployment.provider.wait_for_requests(before + 1)
            deployment.end_leases()
            wait_until(lambda: deployment.query(LASTING), "the lease to be extended")
        assert posted.result().status_code == 201
