"""A machine without enough memory to read all images at once: row F41."""

import re
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployment import Deployment
from provider_answers import make_png

AT_ONCE = 16
MIB = 1 << 20


def limit_memory(pid: int, more: int) -> None:
    """Limit a process to this number of bytes more than it uses."""
    size = re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert size is not None
    limit = int(size[1]) * 1024 + more
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


@pytest.mark.slow
@pytest.mark.fault("F41")
@pytest.mark.parametrize(
    ("width", "compression", "memory"),
    [
        # 25 MB each: 33 MB in the answer, and once more while it is parsed
        (5000, 0, 1800 * MIB),
        # small files of 64 million pixels
        (8000, 9, 450 * MIB),
    ],
    ids=["large files", "many pixels"],
)
def test_sixteen_large_images_at_once_fit_into_little_memory(
    deploy: Callable[..., Deployment],
    width: int,
    compression: int,
    memory: int,
) -> None:
    content = make_png(width, width, compression)
    deployment = deploy(PIXY_GENERATION_CONCURRENCY=str(AT_ONCE))
    deployment.pixy.start()
    deployment.make_image()
    deployment.provider.answer_with(content)
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(AT_ONCE) as threads:
        with deployment.provider.holding():
            prompts = [f"{width} pixels wide, {number}" for number in range(AT_ONCE)]
            posted = [threads.submit(deployment.post, prompt) for prompt in prompts]
            deployment.provider.wait_for_requests(paid + AT_ONCE)
            limit_memory(deployment.pixy.pid, memory)
        answers = [each.result() for each in posted]
    assert [answer.status_code for answer in answers] == [201] * AT_ONCE
    assert {answer.json()["size"] for answer in answers} == {len(content)}
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(deployment.pixy.pid, resource.RLIMIT_AS, unlimited)
