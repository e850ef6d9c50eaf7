"""Real S3 servers for tests, on the loopback address: SeaweedFS, and moto's server.

SeaweedFS keeps its objects in a folder and survives a kill. moto keeps them in memory.
"""

import contextlib
import json
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Self

from lasting_ports import find_lasting_port
from s3_requests import S3Client

_START_TIMEOUT = 90
_PROBE = "readiness"
"""A bucket that only the check of readiness uses."""
_PARTS = ("master", "volume", "filer", "s3")


class S3Server:
    """One server, with one user who may do everything.

    Attributes:
        access_key: The name of its user's credentials.
        secret_key: Their secret.
        port: Its port; it stays the same when the server is started again.

    Args:
        folder: An empty folder for everything that the server writes.
    """

    access_key = "tests"
    secret_key = "the secret of the tests"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = find_lasting_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint; buckets are the first part of a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> S3Client:
        """A client with the credentials."""
        return S3Client(self.url, self.access_key, self.secret_key)

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> Self:
        """Start the server, and wait until it stores objects.

        Raises:
            RuntimeError: It did not start; the message ends with its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self._environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._stores():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._command()[0]} did not come up:\n{self.log[-3000:]}")
            time.sleep(0.05)
        return self

    def make_bucket(self, name: str) -> str:
        """Make an empty bucket, and return its name.

        Raises:
            AssertionError: The server refused.
        """
        answer = self.client.request("PUT", f"/{name}")
        assert answer.status == 200, answer.body
        return name

    def stop(self) -> None:
        """End the server, if it runs. Its folder is removed anyway, so it gets no time to stop."""
        self.kill()

    def kill(self) -> None:
        """Kill the server, like a crash; `start` starts it on the same data."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._clean()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _stores(self) -> bool:
        with contextlib.suppress(OSError, HTTPException):
            if self.client.request("PUT", f"/{_PROBE}").status in (200, 409):
                return self.client.request("PUT", f"/{_PROBE}/object", b"ready").status == 200
        return False

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {}

    def _clean(self) -> None:
        """Remove what a server leaves outside its folder."""


class SeaweedFS(S3Server):
    """SeaweedFS: master, volume server, filer and gateway in one process. Its start takes 3 s."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # it would take the other port plus 10,000 for gRPC, free or not
        self._ports = {part: (find_lasting_port(), find_lasting_port()) for part in _PARTS}
        self._ports["s3"] = (self.port, self._ports["s3"][1])

    def start(self) -> Self:
        """Start the server; see `S3Server.start`."""
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        user = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "users.json").write_text(json.dumps({"identities": [user]}))
        return super().start()

    def _command(self) -> list[str]:
        ports = [
            f"-{part}.port{kind}={port}"
            for part, pair in self._ports.items()
            for kind, port in zip(("", ".grpc"), pair, strict=True)
        ]
        return [
            *(_program("weed"), "server", f"-dir={self.folder}", "-filer", "-s3"),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false"),
            f"-s3.config={self.folder / 'users.json'}",
            # else a wrong bucket would be made by the first object
            "-s3.autoCreateBucket=false",
            *("-master.telemetry=false", "-master.volumeSizeLimitMB=1024", "-volume.max=100"),
            # else the start waits for an election, or for the second heartbeat after it
            *("-master.peers=none", "-master.resumeState=false"),
        ]

    def _environment(self) -> dict[str, str]:
        # one file for each bucket instead of seven
        return {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}

    def _clean(self) -> None:
        for part, pair in self._ports.items():
            for name in (f"{part}-{pair[0]}", f"{part}-grpc-{pair[1]}"):
                Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)


class Moto(S3Server):
    """moto's server, a reimplementation of AWS in Python. It accepts any signature."""

    def _command(self) -> list[str]:
        return [_program("moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]


SERVERS: dict[str, type[S3Server]] = {"seaweedfs": SeaweedFS, "moto": Moto}
"""By name, for tests that run on each."""


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)
