"""deploy/Dockerfile: its steps run in folders, and its commands as processes, without containers.

What no test here shows: that a container engine accepts the file, and the size of its layers.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from deployment import wait_until
from dockerfiles import Builder, Stage, read_dockerfile
from installed_pixy import PASSWORD, InstalledPixy
from new_databases import create_tables
from reverse_proxies import find_free_port

ROOT = Path(__file__).parents[2]
BUILD, IMAGE = read_dockerfile(ROOT / "deploy" / "Dockerfile")
USER = 10001
NGINX_GROUP = 101
SLIM_SIZE = 75
"""Size of debian:bookworm-slim in MB."""

MAX_SIZE = 250
ENTER = """
set -e
mount --make-rprivate /
mount --bind {root} {root}
mount --bind {volume} {root}/data
mount -t proc proc {root}/proc
mount -o remount,bind,ro {root}
exec chroot {root} setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \
    --bounding-set=-all sh -c 'cd /data && exec "$@"' sh "$@"
"""


def test_the_image_starts_from_the_same_system_as_its_build() -> None:
    assert BUILD.image == IMAGE.image
    assert IMAGE.described["USER"] == f"{USER}:{USER}"
    assert IMAGE.described["VOLUME"] == IMAGE.environment["PIXY_DATA_DIR"] == "/data"
    assert IMAGE.described["STOPSIGNAL"] == "SIGTERM"
    assert IMAGE.command("CMD") == ["pixy", "serve"]


def test_the_health_check_tells_a_server_that_answers_from_one_that_does_not(
    tmp_path: Path,
) -> None:
    pixy = InstalledPixy(tmp_path, PIXY_GENERATOR="sketch", PIXY_ALLOWED_HOSTS="pixy.example")
    create_tables(pixy.database_url)
    try:
        pixy.start()
        port = pixy.url.rpartition(":")[2]
        assert check_health(port) == 0
    finally:
        pixy.kill()
    assert check_health(port) != 0


def check_health(port: str) -> int:
    path = shutil.which("python3")
    assert path
    program, *arguments = IMAGE.command("HEALTHCHECK")
    assert program == "python"
    # a proxy to the provider must not be asked
    values = {"PIXY_PORT": port, "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://[::]:9"}
    done = subprocess.run([path, *arguments], env=values, stderr=subprocess.DEVNULL, check=False)
    return done.returncode


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minimal Debian 12, from the mirror that this machine uses."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("only root, outside of a container, can make and enter a system")
    given = os.environ.get("PIXY_TEST_DEBIAN")
    if given:
        return Path(given)
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed")
    folder = tmp_path_factory.mktemp("debian") / "root"
    command = ["debootstrap", "--variant=minbase", "bookworm", str(folder), find_mirror()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def find_mirror() -> str:
    """Return the mirror of Debian that apt uses here."""
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


@pytest.fixture(scope="module")
def root(system: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file system of the image."""
    folder = tmp_path_factory.mktemp("image")
    folder.chmod(0o711)
    builder = Builder(ROOT, system, folder)
    build_stage(builder, BUILD)
    yield build_stage(builder, IMAGE)
    shutil.rmtree(folder)


def build_stage(builder: Builder, stage: Stage) -> Path:
    try:
        return builder.build(stage)
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"a step failed: {error.cmd[-1]}") from error


class Container:
    """Runs a command of the image: own process ids, and a tree that is read-only except /data."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.volume, self.port = root, folder / "volume", find_free_port()
        # what a new volume gets
        subprocess.run(["cp", "-a", root / "data", self.volume], check=True)
        self._process: subprocess.Popen[str] | None = None

    def open(self, command: list[str], **options: int) -> "subprocess.Popen[str]":
        script = ENTER.format(root=self.root, volume=self.volume)
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        settings = {"PIXY_GENERATOR": "sketch", "PIXY_PORT": str(self.port), "PIXY_WORKERS": "2"}
        return subprocess.Popen(
            [*unshare, "sh", "-c", script, "sh", *command],
            env={**IMAGE.environment, **settings},
            text=True,
            **options,
        )

    def run(self, *command: str, stdin: str = "") -> str:
        process = self.open(list(command), stdin=-1, stdout=-1, stderr=-1)
        output, errors = process.communicate(stdin, timeout=60)
        assert process.returncode == 0, errors
        return output

    def is_healthy(self) -> bool:
        # the engine runs it inside; the address is the same, because the network is
        command = IMAGE.command("HEALTHCHECK")
        return self.open(command, stderr=subprocess.DEVNULL).wait(timeout=60) == 0

    def start(self) -> None:
        self._process = self.open(IMAGE.command("CMD"))
        wait_until(self.is_healthy, "the container to be healthy")

    def stop(self) -> int:
        """Send the first process STOPSIGNAL, and return the exit code."""
        assert self._process is not None
        pid = self._process.pid
        (first,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(first), signal.Signals[IMAGE.described["STOPSIGNAL"]])
        return self._process.wait(timeout=60)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def container(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    folder = tmp_path_factory.mktemp("container")
    container = Container(root, folder)
    yield container
    container.kill()


@pytest.mark.slow
def test_a_container_serves_as_a_user_that_can_write_to_its_volume_only(
    container: Container,
) -> None:
    options = ("--class-key", "red", "--create", "--password-stdin")
    container.run("pixy", "user", "add", "ada", *options, stdin=PASSWORD)
    container.start()
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{container.port}", auth=("ada", PASSWORD), timeout=60
    ) as ada:
        answer = ada.post("/image", json={"prompt": "a lighthouse"})
        assert answer.status_code == 201, answer.text
        details = answer.json()
        content = ada.get(f"/image/{details['guid']}/content").content
        assert ada.get(f"/image/{details['guid']}/content?width=320").status_code == 200
    (file,) = container.volume.rglob(details["filename"])
    assert file.read_bytes() == content
    # nginx may read image files and nothing else
    assert (file.stat().st_uid, file.stat().st_gid) == (USER, NGINX_GROUP)
    assert file.stat().st_mode & 0o777 == 0o640
    assert container.volume.stat().st_mode & 0o777 == 0o711
    others = {path.name for path in container.volume.iterdir() if path.stat().st_mode & 0o077}
    assert others == {"images"}
    refused = container.open(["sh", "-c", "touch /tmp/x || touch /opt/pixy/x"], stderr=-3)
    assert refused.wait(timeout=60) != 0
    assert container.stop() in (0, 128 + signal.SIGTERM, -signal.SIGTERM)


@pytest.mark.slow
def test_the_drivers_of_mysql_and_object_storage_work_without_a_compiler(
    container: Container,
) -> None:
    names = "MySQLdb", "obstore.store", "PIL.Image", "uvloop"
    container.run("python", "-c", f"import {', '.join(names)}")
    assert not (container.root / "usr/bin/gcc").exists()
    assert not list((container.root / "opt/pixy").rglob("pip"))


@pytest.mark.slow
def test_the_image_is_small(root: Path, system: Path) -> None:
    size = SLIM_SIZE + measure(root) - measure(system)
    print(f"the image has about {size} MB")
    assert size < MAX_SIZE


def measure(root: Path) -> int:
    """Return the bytes of a system's files in MB, without what the slim image leaves out.

    Bytes, not blocks of a disk, as container engines count.
    """
    left_out = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt")
    options = [f"--exclude={root}/{path}" for path in (*left_out, "var/lib/apt/lists", "build")]
    done = subprocess.run(
        ["du", "-sb", "--one-file-system", *options, root],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[0]) // 1_000_000
