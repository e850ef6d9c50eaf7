"""Disks that are full, read-only or broken, and damaged files.

Rows F15 to F17, F25, F37 to F40, and F67.
"""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from deployment import Deployment, wait_until
from provider_answers import make_png
from small_disk import SmallDisk, run_as_root
from syscalls import Strace

MIB = 1 << 20
RESERVE = 256 * MIB
"""Bytes that PixyProxy keeps free (docs/operations.md)."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    try:
        disk = SmallDisk(tmp_path / "disk", RESERVE + 64 * MIB)
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
def test_a_full_or_read_only_disk_is_detected_before_the_provider_is_asked(
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


@pytest.mark.fault("F93")
def test_a_full_disk_is_noticed_before_a_byte_of_an_upload_is_read(
    disk: SmallDisk, on_disk: Deployment
) -> None:
    files = set(on_disk.files())
    disk.fill(leave=RESERVE + 8 * MIB)
    headers = {"Content-Type": "image/png"}
    # nobody announces the size of the second, so that its most is promised
    for content in (bytes(9 * MIB), iter([b"some bytes"])):
        with on_disk.client() as ada:
            answer = ada.post("/image/upload", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert (set(on_disk.files()), on_disk.unfinished()) == (files, [])
    with on_disk.client() as ada:
        answer = ada.post("/image/upload", content=make_png(100, 48), headers=headers)
    assert answer.status_code == 201, answer.text
    disk.empty()


@pytest.fixture
def impatient(deploy: Callable[..., Deployment]) -> Deployment:
    """A running deployment that abandons an image soon."""
    deployment = deploy(PIXY_GENERATION_TIMEOUT="4")
    deployment.pixy.start()
    deployment.make_shelves()
    deployment.make_image()
    return deployment


@pytest.mark.fault("F16")
@pytest.mark.parametrize(
    "inject",
    [
        pytest.param("fsync:error=EIO:when=3+", id="nothing is synced"),
        pytest.param("renameat:error=EIO", id="nothing is renamed", marks=pytest.mark.slow),
    ],
)
def test_an_image_is_abandoned_if_the_disk_fails_for_too_long(
    impatient: Deployment, tmp_path: Path, inject: str
) -> None:
    rows, files = impatient.rows(), set(impatient.files())
    strace = Strace(impatient.pixy.pid, tmp_path / "trace", inject.partition(":")[0], inject)
    answer = impatient.post(f"made for nothing: {inject}")
    calls = strace.stop()
    assert any("INJECTED" in call.rest for call in calls), calls
    assert (answer.status_code, answer.json()["billed"]) == (503, "yes")
    assert (impatient.rows(), set(impatient.files())) == (rows, files)
    assert (impatient.unfinished(), impatient.journal()) == ([], set())
    (guid,) = set(impatient.creations()) - set(rows)
    assert impatient.creations()[guid] == "failed"
    assert f"CRITICAL {answer.headers['x-request-id']}" in impatient.pixy.log
    assert f"image {guid} was made, and could not be stored" in impatient.pixy.log


@contextlib.contextmanager
def being_made(deployment: Deployment, prompt: str) -> Iterator[Future[httpx2.Response]]:
    """Request an image, and run the block while the provider works on it."""
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            answer = threads.submit(deployment.post, prompt, prompt)
            deployment.provider.wait_for_requests(paid + 1)
            yield answer
        answer.result()


@pytest.mark.fault("F39")
@pytest.mark.parametrize(
    "inject",
    [
        pytest.param("fsync:error=EIO:when=1", id="image"),
        pytest.param("fsync:error=EIO:when=2", id="journal entry"),
        pytest.param("fsync:error=EIO:when=3", id="journal folder", marks=pytest.mark.slow),
        pytest.param("renameat:error=EIO:when=1", id="name of the entry", marks=pytest.mark.slow),
        pytest.param("pwrite64:error=ENOSPC", id="reserved files"),
    ],
)
def test_an_image_is_stored_after_the_disk_failed_for_a_moment(
    deployment: Deployment, tmp_path: Path, inject: str
) -> None:
    deployment.make_shelves()
    rows = deployment.rows()
    with being_made(deployment, f"made in spite of it: {inject}") as posted:
        call = inject.partition(":")[0]
        paths = deployment.unfinished() if call == "pwrite64" else []
        strace = Strace(deployment.pixy.pid, tmp_path / "trace", call, inject, paths)
    calls = strace.stop()
    assert any("INJECTED" in call.rest for call in calls), calls
    answer = posted.result()
    assert answer.status_code == 201, answer.text
    assert set(deployment.rows()) - set(rows) == {answer.json()["guid"]}
    assert (deployment.unfinished(), deployment.journal()) == ([], set())


@pytest.mark.fault("F39")
def test_an_image_waits_for_room_on_its_disk(disk: SmallDisk, on_disk: Deployment) -> None:
    on_disk.provider.behave("large")
    with being_made(on_disk, "larger than what was reserved") as posted:
        disk.fill(leave=0)
        on_disk.provider.release()
        wait_until(lambda: "can't be stored yet" in on_disk.pixy.log)
        # an operator stops it meanwhile, and waits for it to finish
        on_disk.pixy.signal()
        disk.empty()
    answer = posted.result()
    assert answer.status_code == 201, answer.text
    on_disk.pixy.wait()
    assert "CRITICAL" not in on_disk.pixy.log


@pytest.mark.slow
@pytest.mark.fault("F38")
@pytest.mark.parametrize("taken", ["space", "inodes", "descriptors"])
def test_space_inodes_or_descriptors_run_out_while_the_provider_works(
    disk: SmallDisk, on_disk: Deployment, taken: str
) -> None:
    limits = resource.prlimit(on_disk.pixy.pid, resource.RLIMIT_NOFILE)
    with being_made(on_disk, f"has its {taken}") as posted:
        if taken == "space":
            disk.fill(leave=0)
        elif taken == "inodes":
            disk.take_inodes()
        else:
            resource.prlimit(on_disk.pixy.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    answer = posted.result()
    resource.prlimit(on_disk.pixy.pid, resource.RLIMIT_NOFILE, limits)
    disk.empty()
    disk.give_inodes()
    # without descriptors the database can't be reached, so the image waits in the journal
    assert answer.status_code in ({201, 202} if taken == "descriptors" else {201}), answer.text
    wait_until(lambda: answer.json()["guid"] in on_disk.rows())
    assert "CRITICAL" not in on_disk.pixy.log


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder read-only, even for root."""
    run_as_root("mount", "--bind", str(folder), str(folder))
    try:
        run_as_root("mount", "-o", "remount,bind,ro", str(folder))
        yield
    finally:
        run_as_root("umount", str(folder))


@contextlib.contextmanager
def broken(disk: SmallDisk, data: Path, what: str) -> Iterator[None]:
    """Prevent new files, for one of several reasons."""
    if what == "inodes":
        disk.take_inodes()
        yield
        disk.give_inodes()
    else:
        with read_only(data / what):
            yield


@pytest.mark.fault("F37")
@pytest.mark.parametrize(
    "what",
    [
        "inodes",
        pytest.param("images/.staging", marks=pytest.mark.slow),
        pytest.param("journal", marks=pytest.mark.slow),
    ],
)
def test_a_disk_on_which_no_file_can_be_made_is_detected_before_the_provider_is_asked(
    disk: SmallDisk, on_disk: Deployment, what: str
) -> None:
    paid = on_disk.provider.paid_requests
    (guid,) = on_disk.rows()
    with broken(disk, on_disk.data, what), on_disk.client() as ada:
        assert told(on_disk, "has no file") == (503, "storage_unavailable")
        wait_until(lambda: ada.get("/health/ready").status_code == 503, "it to be unready")
        assert ada.get(f"/image/{guid}/content").status_code == 200
    assert on_disk.provider.paid_requests == paid
    with on_disk.client() as ada:
        assert ada.get("/health/ready").status_code == 200
    on_disk.make_image()


@pytest.mark.fault("F40")
@pytest.mark.parametrize(
    "folder", ["images/.staging", pytest.param("journal", marks=pytest.mark.slow)]
)
def test_a_file_system_without_fsync_of_folders_is_refused(
    deployment: Deployment, tmp_path: Path, folder: str
) -> None:
    deployment.make_image()
    paid = deployment.provider.paid_requests
    path = deployment.data / folder
    inject = "fsync:error=EINVAL"
    strace = Strace(deployment.pixy.pid, tmp_path / "trace", "fsync", inject, [path])
    with deployment.client() as ada:
        assert told(deployment, "can't be made durable") == (503, "storage_unavailable")
        wait_until(lambda: ada.get("/health/ready").status_code == 503, "it to be unready")
    calls = strace.stop()
    assert any("INJECTED" in call.rest for call in calls), calls
    assert f"the folder can't be synced: Invalid argument: '{path}'" in deployment.pixy.log
    assert (deployment.provider.paid_requests, deployment.unfinished()) == (paid, [])


@pytest.mark.fault("F17")
def test_damaged_content_is_reported_and_never_sent(deployment: Deployment) -> None:
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


@pytest.mark.fault("F67")
def test_an_image_that_is_deleted_while_others_read_it_is_not_found(
    deployment: Deployment,
) -> None:
    guids = [deployment.make_image() for _ in range(10)]
    deployment.deleted.update(guids)
    before = len(deployment.pixy.log.encode())

    def read_to_the_end(guid: str) -> set[int]:
        statuses = set()
        with deployment.client() as ada:
            while 404 not in statuses:
                statuses.add(ada.get(f"/image/{guid}/content").status_code)
        return statuses

    with ThreadPoolExecutor(6) as readers, deployment.client() as owner:
        for guid in guids:
            reading = [readers.submit(read_to_the_end, guid) for _ in range(6)]
            assert owner.delete(f"/image/{guid}").status_code == 204
            assert set().union(*(reader.result() for reader in reading)) <= {200, 404}
    log = deployment.pixy.log_from(before)
    assert " ERROR " not in log
    assert "missing or damaged" not in log


@pytest.mark.fault("F25")
@pytest.mark.parametrize("is_empty", [False, True], ids=["gone", "another"])
def test_an_image_folder_of_another_database_is_refused(
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
    assert deployment.pixy.run("check").endswith("Problems left: 0.\n")


def test_a_journal_entry_that_exists_only_in_a_directory_cache_is_ignored(tmp_path: Path) -> None:
    """A network file system may list a file for a while after another machine has removed it."""
    script = """
import sys
from pathlib import Path
from pixy_data import Journal
journal = Journal(Path("journal").absolute())
print(journal.has(sys.argv[1]), flush=True)
sys.stdin.readline()
print(journal.has(sys.argv[1]), flush=True)
"""
    guid = "00000000-0000-4000-8000-000000000000"
    (tmp_path / "journal").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", script, guid],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "False\n"
        # the system calls for a file's attributes report that it exists
        inject = "newfstatat,lstat,statx:retval=0"
        calls = inject.partition(":")[0]
        strace = Strace(process.pid, tmp_path / "trace", calls, inject)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "False\n"
        strace.stop()
