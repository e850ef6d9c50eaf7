"""A machine without enough memory to read all images at once: row F41."""

import re
import resource
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bucket_deployment import BucketDeployment
from deployment import Deployment, wait_until
from provider_answers import make_png
from s3_faults import Exchange, Fault, S3Request

AT_ONCE = 16
READ_AT_ONCE = 8
"""Of 42 MB: what is over 32 MiB, the allocator gives back at once."""
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


class Gathering:
    """A fault that lets requests about several objects wait for each other."""

    def __init__(self) -> None:
        self.paths = set[str]()
        self.go_on = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        self.paths.add(exchange.request.path)
        self.go_on.wait()
        exchange.send(exchange.forward())


@pytest.mark.slow
@pytest.mark.fault("F41")
def test_large_images_at_once_are_read_back_from_a_bucket_in_parts(
    deploy_on_bucket: Callable[..., BucketDeployment],
) -> None:
    content = make_png(6500, 6500, 0)
    deployment = deploy_on_bucket(PIXY_GENERATION_CONCURRENCY=str(READ_AT_ONCE))
    deployment.pixy.start()
    deployment.make_image()
    deployment.provider.answer_with(content)
    writing, reading = Gathering(), Gathering()

    def choose(request: S3Request) -> Fault | None:
        gatherings = {"PUT": writing, "GET": reading} if "/images/" in request.path else {}
        return gatherings.get(request.method)

    deployment.faults.choose = choose

    def post(number: int) -> int:
        with deployment.client(timeout=180) as ada:
            answer = ada.post("/image", json={"prompt": f"read back, number {number}"})
        assert answer.status_code == 201, answer.text
        size: int = answer.json()["size"]
        return size

    with ThreadPoolExecutor(READ_AT_ONCE) as threads:
        posted = [threads.submit(post, number) for number in range(READ_AT_ONCE)]
        try:
            wait_until(lambda: len(writing.paths) == READ_AT_ONCE)
            # each has its image in memory; there is no room for four of them
            limit_memory(deployment.pixy.pid, 150 * MIB)
            writing.go_on.set()
            wait_until(lambda: len(reading.paths) == READ_AT_ONCE)
        finally:
            writing.go_on.set()
            reading.go_on.set()
        assert {each.result() for each in posted} == {len(content)}
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(deployment.pixy.pid, resource.RLIMIT_AS, unlimited)
