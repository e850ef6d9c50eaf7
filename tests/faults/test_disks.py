"""Disks that are full, read-only or broken, and files that are not what they were: F15 to F17."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployment import Deployment
from syscalls import Strace

MIB = 1 << 20
RESERVE = 256 * MIB
"""Bytes that PixyProxy leaves free (docs/operations.md)."""


class SmallDisk:
    """A real file system of a known size, in memory."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def fill(self, *, leave: int) -> None:
        """Take all space but so many bytes."""
        free = shutil.disk_usage(self.folder).free
        _run("fallocate", "-l", str(free - leave), str(self.folder / "filler"))

    def empty(self) -> None:
        """Give the space back that `fill` took."""
        (self.folder / "filler").unlink(missing_ok=True)

    def remount(self, mode: str) -> None:
        """Make it read-only, `ro`, or writable, `rw`."""
        _run("mount", "-o", f"remount,{mode}", str(self.folder))

    def remove(self) -> None:
        """Take it away, whoever uses it."""
        _run("umount", "-l", str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    try:
        disk = SmallDisk(tmp_path / "disk", RESERVE + 16 * MIB)
    except subprocess.CalledProcessError:
        pytest.skip("this machine lets nobody mount a file system")
    yield disk
    disk.remove()


@pytest.fixture
def on_disk(disk: SmallDisk, deploy: Callable[..., Deployment]) -> Deployment:
    """A running deployment whose data folder is on a small disk."""
    deployment = deploy(PIXY_DATA_DIR=str(disk.folder / "data"))
    deployment.data = disk.folder / "data"
    deployment.pixy.start()
    deployment.make_image()
    return deployment


def told(deployment: Deployment, prompt: str) -> tuple[int, str]:
    answer = deployment.post(prompt)
    return answer.status_code, answer.json()["code"]


@pytest.mark.fault("F15")
def test_a_full_or_read_only_disk_is_noticed_before_the_provider_is_asked(
    disk: SmallDisk, on_disk: Deployment
) -> None:
    paid = on_disk.provider.paid_requests
    disk.fill(leave=RESERVE - MIB)
    assert told(on_disk, "no room") == (503, "storage_unavailable")
    disk.empty()
    disk.remount("ro")
    assert told(on_disk, "read-only") == (503, "storage_unavailable")
    with on_disk.client() as ada:
        (image,) = ada.get("/image").json()
        assert ada.get(f"/image/{image['guid']}/content").status_code == 200
    disk.remount("rw")
    assert on_disk.provider.paid_requests == paid


@pytest.mark.fault("F16")
def test_a_disk_that_fills_up_while_the_provider_works(
    disk: SmallDisk, on_disk: Deployment
) -> None:
    paid, files = on_disk.provider.paid_requests, on_disk.files()
    with ThreadPoolExecutor(1) as threads:
        with on_disk.provider.holding():
            waiting = threads.submit(told, on_disk, "made for nothing")
            on_disk.provider.wait_for_requests(paid + 1)
            disk.fill(leave=0)
        status, _ = waiting.result()
    assert status == 503
    disk.empty()
    assert on_disk.files() == files
    assert on_disk.unfinished() == []
    assert "CRITICAL" in on_disk.pixy.log


@pytest.mark.fault("F16")
@pytest.mark.parametrize(
    "inject",
    [
        "fsync:error=EIO:when=1",
        "fsync:error=EIO:when=2",
        "fsync:error=EIO:when=3",
        "rename:error=EIO:when=1",
    ],
    ids=["file", "staging folder", "journal entry", "name of the entry"],
)
def test_a_disk_that_fails_before_the_image_is_durable(
    deployment: Deployment, tmp_path: Path, inject: str
) -> None:
    deployment.make_shelves()
    deployment.make_image()
    rows, files = deployment.rows(), set(deployment.files())
    strace = Strace(deployment.pixy.pid, tmp_path / "trace", inject.partition(":")[0], inject)
    answer = deployment.post(f"made for nothing: {inject}")
    calls = strace.stop()
    assert any("INJECTED" in call.rest for call in calls), calls
    assert answer.status_code == 503
    assert answer.json()["billed"] == "yes"
    assert (deployment.rows(), set(deployment.files())) == (rows, files)
    assert (deployment.unfinished(), deployment.journal()) == ([], set())
    (guid,) = {guid for guid in deployment.creations() if guid not in rows} - KNOWN
    KNOWN.add(guid)
    assert f"CRITICAL {answer.headers['x-request-id']}" in deployment.pixy.log
    assert f"image {guid} was made, and could not be stored" in deployment.pixy.log


KNOWN: set[str] = set()
"""Creations that failed in this module, which are remembered for a day."""


@pytest.mark.fault("F17")
def test_a_file_system_without_sendfile_is_read(deployment: Deployment, tmp_path: Path) -> None:
    guid = deployment.make_image()
    strace = Strace(deployment.pixy.pid, tmp_path / "trace", "sendfile", "sendfile:error=EINVAL")
    with deployment.client() as ada:
        whole = ada.get(f"/image/{guid}/content")
        part = ada.get(f"/image/{guid}/content", headers={"Range": "bytes=10-"})
    calls = strace.stop()
    assert any("INJECTED" in call.rest for call in calls), calls
    assert (whole.status_code, whole.content) == (
        200,
        deployment.files()[f"{guid}.png"].read_bytes(),
    )
    assert (part.status_code, part.content) == (206, whole.content[10:])


@pytest.mark.fault("F17")
def test_damaged_content_is_told_and_never_sent(deployment: Deployment) -> None:
    damages: list[Callable[[Path], object]] = [
        Path.unlink,
        lambda path: os.truncate(path, 10),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.rename(f"{path}.away"), path.symlink_to(f"{path}.away")),
    ]
    rows = len(deployment.rows())
    for damage in damages:
        guid = deployment.make_image()
        path = deployment.files()[deployment.rows()[guid][0]]
        sound = path.read_bytes()
        damage(path)
        with deployment.client() as ada:
            content = ada.get(f"/image/{guid}/content")
            assert (content.status_code, content.json()["code"]) == (500, "content_damaged")
            assert ada.get(f"/image/{guid}").status_code == 200
            assert guid in [image["guid"] for image in ada.get("/image").json()]
        assert f"the file of image {guid} is missing or damaged" in deployment.pixy.log
        # restored, as from a backup
        Path(f"{path}.away").unlink(missing_ok=True)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        path.write_bytes(sound)
        with deployment.client() as ada:
            assert ada.get(f"/image/{guid}/content").content == sound
    assert len(deployment.rows()) == rows + len(damages)


@pytest.mark.fault("F25")
@pytest.mark.parametrize("is_empty", [False, True], ids=["gone", "another"])
def test_a_folder_that_is_not_the_databases_is_refused(
    deployment: Deployment, is_empty: bool
) -> None:
    guid = deployment.make_image()
    paid, rows = deployment.provider.paid_requests, set(deployment.rows())
    folder = deployment.data / "images"
    folder.rename(folder.with_name("away"))
    if is_empty:
        folder.mkdir()
    with deployment.client() as ada:
        refused = [
            ada.get("/health/ready"),
            ada.get(f"/image/{guid}/content"),
            ada.post("/image", json={"prompt": "has no place"}),
            ada.delete(f"/image/{guid}"),
        ]
        told = {(answer.status_code, answer.json()["code"]) for answer in refused}
        assert told == {(503, "store_mismatch")}
        assert ada.get(f"/image/{guid}").status_code == 200
        assert {image["guid"] for image in ada.get("/image").json()} == rows
        if is_empty:
            with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
                deployment.pixy.run("check", "--repair")
            folder.rmdir()
        folder.with_name("away").rename(folder)
        assert ada.get(f"/image/{guid}/content").status_code == 200
    assert deployment.provider.paid_requests == paid
    assert deployment.pixy.run("check").endswith("all is well.\n")
