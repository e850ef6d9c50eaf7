"""Settings of a whole process, each tested in a separate process."""

import math
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

OPEN = """
import asyncio, gc, resource
from pixy_web.app import create_app_from_environment

async def open_app():
    app = create_app_from_environment()
    async with app.router.lifespan_context(app):
        print(gc.get_freeze_count(), len(gc.get_objects()), *gc.get_threshold())
        print(*resource.getrlimit(resource.RLIMIT_NOFILE))

asyncio.run(open_app())
"""
ALLOCATE = """
import ctypes, sys, threading
from pixy_web.server.process import share_memory_among_threads

if sys.argv[1] == "shared":
    share_memory_among_threads()
barrier = threading.Barrier(4)

def allocate():
    block = bytes(100_000)
    barrier.wait()

threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def run(program: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_worker_has_few_objects_to_collect_and_all_descriptors_of_its_user(
    tmp_path: Path,
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    program = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (500, {most}))\n{OPEN}"
    told = run(program, PIXY_GENERATOR="sketch", PIXY_DATA_DIR=str(tmp_path))
    collected, descriptors = told.splitlines()
    frozen, rest, *thresholds = map(int, collected.split())
    assert frozen > 10 * rest
    # otherwise there would be a pause for each 70,000 objects
    assert math.prod(thresholds) > 1_000_000
    assert descriptors == f"{most} {most}"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has such an option")
def test_threads_share_one_memory_arena() -> None:
    assert run(ALLOCATE, "shared").count("<heap nr=") == 1
    assert run(ALLOCATE, "by itself").count("<heap nr=") > 1
