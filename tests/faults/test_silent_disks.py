"""A disk that does not answer: row F82."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployment import Deployment, wait_until
from syscalls import Strace

LASTING = "SELECT guid FROM creations WHERE status = 'pending' AND expires_at > '2021-01-01'"
SILENT = "getdents64:delay_enter=120s"
"""Longer than this test waits for a lease."""


@pytest.mark.slow
@pytest.mark.fault("F82")
def test_a_disk_that_does_not_answer_ends_no_lease(deployment: Deployment, tmp_path: Path) -> None:
    journal = deployment.data / "journal"
    deployment.make_image()
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            before = deployment.provider.paid_requests
            posted = threads.submit(deployment.post, "an image that takes long")
            deployment.provider.wait_for_requests(before + 1)
            # this system call is made only by a recovery, to list the journal
            strace = Strace(
                deployment.pixy.pid, tmp_path / "trace", "getdents64", SILENT, [journal]
            )
            # a recovery may extend a lease once before it hangs
            for _ in range(2):
                deployment.end_leases()
                wait_until(lambda: deployment.query(LASTING), "the lease to be extended")
            calls = strace.stop()
        assert posted.result().status_code == 201
    assert [call for call in calls if call.name == "getdents64"], calls
