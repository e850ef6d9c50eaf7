"""A real run to look at: readers, people who make images, and a provider that has a bad time."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from installed_pixy import InstalledPixy
from lasting_ports import find_lasting_port
from prometheus_server import PrometheusServer, deploy_prometheus
from provider import Provider
from provider_models import date_model

MODEL = "gpt-image-2"
READERS, MAKERS = 3, 4
PROMPTS = ("a lighthouse at dusk", "a heron in the reeds", "two foxes at the edge of a wood")
OVERLOADED = (0.45, 0.55)
"""When the provider is overloaded, as parts of the run."""

ODD = ("reset", "empty_data", "moderation_blocked")
"""What the provider does once, after three quarters of the run."""


class Load:
    """Clients of a running service, each a thread, until `end`."""

    def __init__(self, pixy: InstalledPixy, seconds: float) -> None:
        self._pixy = pixy
        self._end = time.monotonic() + seconds
        acts = [(self._read, 0.5)] * READERS + [(self._make, 6.0)] * MAKERS
        self._threads = [threading.Thread(target=self._repeat, args=act) for act in acts]

    def run(self) -> None:
        """Run all clients to their end."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _repeat(self, act: Callable[[httpx2.Client, random.Random], None], pause: float) -> None:
        chance = random.Random()
        with self._pixy.client("ada") as client:
            while time.monotonic() < self._end:
                with contextlib.suppress(httpx2.TransportError):
                    act(client, chance)
                time.sleep(chance.expovariate(1 / pause))

    def _make(self, client: httpx2.Client, chance: random.Random) -> None:
        wanted = {"prompt": chance.choice(PROMPTS), "visibility": "class"}
        client.post("/image", json=wanted)

    def _read(self, client: httpx2.Client, chance: random.Random) -> None:
        images = client.get("/image").json()
        for image in chance.sample(images, min(3, len(images))):
            path = f"/image/{image['guid']}"
            client.get(path)
            client.get(f"{path}/content", params=chance.choice(({}, {"width": 320})))
        if chance.random() < 0.05:
            client.get("/image/00000000-0000-4000-8000-000000000000")


def trouble(provider: Provider, seconds: float) -> None:
    """Let the provider be overloaded for a while, and do something odd later."""
    start, end = (part * seconds for part in OVERLOADED)
    time.sleep(start)
    provider.behave("overloaded")
    time.sleep(end - start)
    provider.behave("png")
    time.sleep(seconds * 0.75 - end)
    provider.behave(*ODD, "png")


def draw_seconds() -> float:
    """Return how long the provider takes for an image: mostly 5 to 15 seconds."""
    return min(40.0, random.lognormvariate(2.1, 0.4))


@contextlib.contextmanager
def record_run(folder: Path, seconds: float) -> Iterator[tuple[PrometheusServer, float, float]]:
    """Run everything, and yield the Prometheus that has read it, and its Unix times.

    Args:
        folder: An empty folder.
        seconds: How long the load lasts.
    """
    port = str(find_lasting_port())
    with Provider() as provider:
        shutdown = datetime.now(UTC).date() + timedelta(days=120)
        provider.models = date_model(MODEL, shutdown.isoformat())
        pixy = InstalledPixy(
            folder,
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=provider.base_url,
            PIXY_OPENAI_MODEL=MODEL,
            PIXY_PROVIDER_PLACES="12",
            PIXY_WORKERS="2",
            PIXY_METRICS_PORT=port,
        )
        pixy.add_user("ada")
        pixy.start()
        try:
            prometheus_folder = folder / "prometheus"
            prometheus_folder.mkdir()
            deploy_prometheus(prometheus_folder, f"127.0.0.1:{port}", interval="5s")
            with PrometheusServer(prometheus_folder) as prometheus:
                provider.latency = draw_seconds
                start = time.time()
                unruly = threading.Thread(target=trouble, args=(provider, seconds))
                unruly.start()
                Load(pixy, seconds).run()
                unruly.join()
                yield prometheus, start, time.time()
        finally:
            pixy.kill()
