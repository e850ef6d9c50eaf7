"""Measures how a flood of wrong passwords delays other users, for docs/security.md.

Run by `./dev nox -s flood`. The times depend on the machine, so nothing asserts them.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from door import OWNER, Door, start_door
from installed_pixy import PASSWORD

SECONDS = 10.0
GUESSERS = 16


def measure(door: Door, user: str | None) -> list[float]:
    """Read repeatedly, and return the seconds of each read."""
    path, times = f"/image/{door.images['public']['guid']}", []
    with door.pixy.client(user) as client:
        client.get(path)
        end = time.monotonic() + SECONDS / 2
        while time.monotonic() < end:
            started = time.perf_counter()
            assert client.get(path).status_code == 200
            times.append(time.perf_counter() - started)
    return times


def flood(door: Door, number: int, stop: threading.Event, statuses: Counter[int]) -> None:
    """Guess without a pause, with new names and addresses, so that the limits do not apply."""
    for count in range(10**9):
        # fewer guesses than the limit of an address
        transport = httpx2.HTTPTransport(local_address=f"127.{number + 1}.{count % 250}.1")
        with httpx2.Client(base_url=door.url, transport=transport, timeout=30) as client:
            for guess in range(50):
                if stop.is_set():
                    return
                auth = (f"user{number}-{count}-{guess}", PASSWORD)
                statuses[client.get("/image?limit=1", auth=auth).status_code] += 1


def show(what: str, times: list[float]) -> None:
    """Print the median and the 99th percentile."""
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"{what:32}{statistics.median(times) * 1000:8.1f} ms{p99 * 1000:8.1f} ms{len(times):8}")


def main() -> None:
    """Measure without and with a flood."""
    door = start_door(Path(tempfile.mkdtemp(prefix="pixy-flood-")))
    try:
        print(f"{'':32}{'median':>11}{'p99':>11}{'reads':>8}")
        show("stranger", measure(door, None))
        show("signed in", measure(door, OWNER))
        size, stop, statuses = door.memory(), threading.Event(), Counter[int]()
        guessers = [
            threading.Thread(target=flood, args=(door, number, stop, statuses))
            for number in range(GUESSERS)
        ]
        for guesser in guessers:
            guesser.start()
        show("stranger, during the flood", measure(door, None))
        show("signed in, during the flood", measure(door, OWNER))
        stop.set()
        for guesser in guessers:
            guesser.join()
        print(f"guesses by {GUESSERS} clients: {dict(statuses)} in {SECONDS:.0f} s")
        print(f"memory: {size >> 20} MiB before, {door.memory() >> 20} MiB after")
    finally:
        door.pixy.kill()


if __name__ == "__main__":
    main()
