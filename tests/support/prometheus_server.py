"""A real Prometheus with the files of deploy/prometheus: what it returns, and which alerts fire."""

import contextlib
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx2

from lasting_ports import find_lasting_port

DEPLOYED = Path(__file__).parents[2] / "deploy" / "prometheus"


def deploy_prometheus(
    folder: Path, *targets: str, interval: str, patience: str | None = None
) -> None:
    """Write the deployed configuration and rules to a folder, with other targets and times.

    Args:
        folder: An existing folder.
        targets: Host and port of what to scrape.
        interval: Time between two scrapes and evaluations.
        patience: How long the condition of an alert must hold; None for what the rules say.
    """
    configuration = (DEPLOYED / "prometheus.yml").read_text()
    configuration = re.sub(r"(_interval): .*", rf"\1: {interval}", configuration)
    listed = ", ".join(f'"{target}"' for target in targets)
    configuration = re.sub(r"( - targets): .*", rf"\1: [{listed}]", configuration, count=1)
    (folder / "prometheus.yml").write_text(configuration)
    rules = (DEPLOYED / "alerts.yml").read_text()
    if patience:
        rules = re.sub(r"( for): .*", rf"\1: {patience}", rules)
    (folder / "alerts.yml").write_text(rules)


class PrometheusServer:
    """One process of Prometheus with its own folder, on the loopback address.

    Args:
        folder: Where `deploy_prometheus` wrote; also for its data and its log.
        backfill: Samples from before its start, in the OpenMetrics text format.
    """

    def __init__(self, folder: Path, backfill: str = "") -> None:
        self._folder = folder
        self._data = folder / "data"
        if backfill:
            (folder / "backfill.txt").write_text(backfill)
            create = ("tsdb", "create-blocks-from", "openmetrics", "backfill.txt", "data")
            run_promtool(*create, folder=folder)
        self.url = f"http://127.0.0.1:{find_lasting_port()}"
        self._client = httpx2.Client(base_url=self.url, timeout=30, trust_env=False, verify=False)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "log").read_text()

    def __enter__(self) -> Self:
        options = (
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._data}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            # each scrape that fails, with its reason
            "--log.level=debug",
        )
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["prometheus", *options], stdout=log, stderr=log)
        try:
            self.wait_until(self._is_ready)
        except TimeoutError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of the HTTP API, such as that of "rules".

        Raises:
            ValueError: It answered with an error; with its words.
        """
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression now; each has `metric` and `value`."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[dict[str, Any]]:
        """Return the series of an expression between two Unix times; each has `values`."""
        limits = {"start": str(start), "end": str(end), "step": str(step)}
        result: list[dict[str, Any]] = self.get("query_range", query=expression, **limits)["result"]
        return result

    def wait_until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: It did not hold in time, or the process ended; with its log's end.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise TimeoutError(self.log[-3000:])
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return self._client.get("/-/ready").status_code == 200
        return False


def run_promtool(*arguments: str, folder: Path) -> str:
    """Run promtool in a folder, and return what it printed.

    Raises:
        AssertionError: Its exit code is not 0; with what it printed.
    """
    done = subprocess.run(
        ["promtool", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
