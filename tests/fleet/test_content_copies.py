"""`pixy content copy` amid kills, creates and deletes: rows F111 to F114."""

import hashlib
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from added_images import add_images, locate
from installed_pixy import InstalledPixy
from peak_memory import MARGIN, read_peak
from provider import Provider
from s3_faults import Exchange, S3Faults, S3Request
from s3_server import S3Server

BIN = Path(sys.executable).parent
BUCKET = "pixy"
MANY = 12_000
Choose = Callable[[S3Request], bool]
SIZE = 5120
"""Bytes of an image. Half of MANY have several times MARGIN."""


class Move:
    """An installation, a bucket behind a proxy, and the command that copies between them."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        server: S3Server,
        proxy: S3Faults | None = None,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.prefix = str(uuid.uuid4())
        self.bucket = f"s3://{BUCKET}/{self.prefix}"
        self.server = server
        self._proxy = proxy
        self.database_url = database_url
        self.environment = {
            "PIXY_DATABASE_URL": database_url,
            "PIXY_GENERATOR": "sketch",
            **settings,
            "AWS_ENDPOINT_URL": (proxy or server).url,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_REGION": "us-east-1",
        }
        self.pixy = self.place(self.data)
        self.pixy.add_user("ada")

    @property
    def proxy(self) -> S3Faults:
        """The proxy before the bucket."""
        assert self._proxy is not None
        return self._proxy

    def place(self, data: Path, **environment: str) -> InstalledPixy:
        """Return the installation with its images in another place."""
        settings = {**self.environment, "PIXY_DATA_DIR": str(data), **environment}
        return InstalledPixy(self.folder, **settings)

    def moved(self) -> InstalledPixy:
        """Return the installation with its images in the bucket."""
        return self.place(self.folder / "moved", PIXY_CONTENT=self.bucket)

    def kill_copy(self, pixy: InstalledPixy, to: str, choose: Choose) -> None:
        """Copy the images to a place, and kill the command at a request, which is not sent on."""
        with self.start(pixy, "content", "copy", "--to", to) as process:

            def kill(exchange: Exchange) -> None:
                process.kill()
                exchange.cut()

            self.proxy.choose = lambda request: kill if choose(request) else None
            assert process.wait(60) == -signal.SIGKILL
        self.proxy.choose = lambda _: None

    def start(self, pixy: InstalledPixy, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that may be killed."""
        return subprocess.Popen(
            [BIN / "pixy", *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", **pixy.environment},
            stdout=subprocess.PIPE,
            text=True,
        )

    def add_images(self, count: int) -> dict[str, bytes]:
        """Add images without their creates, and return their bytes by name, in order."""
        return add_images(self.database_url, self.data, count, SIZE)

    def locate(self, name: str) -> Path:
        """Return the path of an image file."""
        return locate(self.data, name)

    def list_copied(self) -> set[str]:
        """Return the names of the images in the bucket."""
        keys = self.server.client.list_objects(BUCKET, f"{self.prefix}/images/")
        return {key.rpartition("/")[2] for key in keys}


@pytest.fixture
def move(tmp_path: Path, database_url: str, server: S3Server, proxy: S3Faults) -> Move:
    return Move(tmp_path, database_url, server, proxy)


def is_of_image(request: S3Request, method: str) -> bool:
    return request.method == method and "/images/" in request.path


def nth_of_images(number: int, method: str) -> Choose:
    """Choose the n-th request of a method that concerns an image."""
    seen: list[S3Request] = []

    def choose(request: S3Request) -> bool:
        if is_of_image(request, method):
            seen.append(request)
        return len(seen) == number

    return choose


@pytest.mark.fault("F111")
def test_a_copy_to_a_bucket_and_back_is_killed_and_run_again(move: Move) -> None:
    images = move.add_images(20)
    # each image is written, and read back
    move.kill_copy(move.pixy, move.bucket, nth_of_images(10, "PUT"))
    assert len(move.list_copied()) == 9
    move.kill_copy(move.pixy, move.bucket, nth_of_images(5, "GET"))
    whole = move.list_copied()
    assert len(whole) == 14
    before = len(move.proxy.requests)
    told = move.pixy.run("content", "copy", "--to", move.bucket)
    assert told.startswith("Copied 6 images of ")
    requests = move.proxy.requests[before:]
    written = {each.path.rpartition("/")[2] for each in requests if is_of_image(each, "PUT")}
    assert written == set(images) - whole
    assert move.list_copied() == set(images)
    moved = move.moved()
    assert "20 images and 20 files. Problems left: 0." in moved.run("check", "--deep")
    back = move.folder / "back"
    move.kill_copy(moved, str(back), nth_of_images(10, "GET"))
    assert len(list(back.glob("images/??/*.png"))) == 9
    before = len(move.proxy.requests)
    assert moved.run("content", "copy", "--to", str(back)).startswith("Copied 11 images of ")
    assert sum(is_of_image(each, "GET") for each in move.proxy.requests[before:]) == 11
    assert {path.name: path.read_bytes() for path in back.glob("images/??/*.png")} == images
    assert "Problems left: 0." in move.place(back).run("check")


@pytest.mark.fault("F112")
def test_a_server_refuses_a_half_copy_and_works_on_a_whole_one(move: Move) -> None:
    (first, content), *_ = move.add_images(5).items()
    move.kill_copy(move.pixy, move.bucket, nth_of_images(3, "PUT"))
    moved = move.moved()
    moved.start(until="/health/live")
    try:
        with moved.client("ada") as ada:
            assert ada.get("/health/ready").status_code == 503
            answer = ada.get(f"/image/{first[:36]}/content")
            assert (answer.status_code, answer.json()["code"]) == (503, "store_mismatch")
            refused = ada.post("/image", json={"prompt": "a heron"})
            assert (refused.status_code, refused.json()["code"]) == (503, "store_mismatch")
            move.pixy.run("content", "copy", "--to", move.bucket)
            assert ada.get(f"/image/{first[:36]}/content").content == content
            assert ada.get("/health/ready").status_code == 200
            assert ada.post("/image", json={"prompt": "a heron"}).status_code == 201
    finally:
        moved.kill()


@pytest.mark.fault("F113")
def test_images_are_made_and_deleted_while_they_are_copied(
    tmp_path: Path, database_url: str, server: S3Server, provider: Provider
) -> None:
    paid = {
        "PIXY_GENERATOR": "openai",
        "OPENAI_API_KEY": "sk-of-the-test",
        "OPENAI_BASE_URL": provider.base_url,
    }
    move = Move(tmp_path, database_url, server, **paid)
    old = list(move.add_images(60))
    made, stopping = dict[str, str](), threading.Event()
    move.pixy.start()

    def work() -> None:
        with move.pixy.client("ada") as ada:
            while len(old) > 10 and not stopping.is_set():
                details = ada.post("/image", json={"prompt": "a heron"}).json()
                made[details["guid"]] = details["sha256"]
                assert ada.delete(f"/image/{old.pop()[:36]}").status_code == 204

    worker = threading.Thread(target=work)
    worker.start()
    try:
        move.pixy.run("content", "copy", "--to", move.bucket)
    except subprocess.CalledProcessError as error:
        # images were made faster than it could end
        if error.returncode != 3:
            raise
    finally:
        stopping.set()
        worker.join()
        move.pixy.stop()
    assert made
    # what an operator does before the change of the setting
    told = move.pixy.run("content", "copy", "--to", move.bucket)
    total = len(old) + len(made)
    assert f"it has {total} of {total}." in told
    moved = move.moved()
    moved.start()
    try:
        with moved.client("ada") as ada:
            for guid, sha256 in made.items():
                content = ada.get(f"/image/{guid}/content").content
                assert hashlib.sha256(content).hexdigest() == sha256
    finally:
        moved.kill()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("F114")
def test_many_images_are_copied_and_checked_in_constant_memory(
    tmp_path: Path,
    database_url: str,
    server: S3Server,
    record_property: Callable[[str, object], None],
) -> None:
    move = Move(tmp_path, database_url, server)
    images = list(move.add_images(MANY))
    peaks = {}
    # they are copied in the order of their guids: the damaged one is reported at half of the way
    half = next(name for name in images if name >= "8")
    content = move.locate(half).read_bytes()
    move.locate(half).write_bytes(b"damaged")
    copy = ("content", "copy", "--to", move.bucket)
    _, peaks["copy, first half"] = read_peak(move.start(move.pixy, *copy), until=half)
    assert 0 < len(move.list_copied()) < MANY
    move.locate(half).write_bytes(content)
    printed, peaks["copy, second half"] = read_peak(move.start(move.pixy, *copy))
    assert f"it has {MANY} of {MANY}." in printed
    early = next(name for name in images if name >= "04")
    for name in (early, half):
        key = f"/{BUCKET}/{move.prefix}/images/{name[:2]}/{name}"
        assert server.client.request("DELETE", key).status == 204
    moved = move.moved()
    _, peaks["check, first half"] = read_peak(move.start(moved, "check"), until=half)
    printed, peaks["check, all"] = read_peak(move.start(moved, "check"))
    assert f"Checked {MANY} images and {MANY - 2} files. Problems left: 2." in printed
    deep = move.start(moved, "check", "--deep")
    _, peaks["check --deep, a 64th"] = read_peak(deep, until=early)
    record_property("figures", f"{MANY} images, KiB: {peaks}")
    assert peaks["copy, second half"] < peaks["copy, first half"] + MARGIN
    assert peaks["check, all"] < peaks["check, first half"] + MARGIN
    assert peaks["check --deep, a 64th"] < peaks["check, all"] + MARGIN
