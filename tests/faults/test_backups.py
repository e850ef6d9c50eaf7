"""Backups of a running server, and restores: rows F54 and F55."""

import hashlib
import itertools
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest

from deployment import Deployment, wait_until
from installed_pixy import InstalledPixy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

BIN = Path(sys.executable).parent
Connect = Callable[[], str]


class Backup:
    """A deployment's backup, made and restored with the documented commands.

    Args:
        deployment: The deployment that is backed up.
        folder: The folder of the backup.
        new_database: Makes an empty database, and returns its URL.
    """

    def __init__(self, deployment: Deployment, folder: Path, new_database: Connect) -> None:
        self.deployment = deployment
        self.folder = folder
        self._new_database = new_database
        self._restored = 0

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.deployment.database_url.startswith("sqlite")

    def make(self, events: Iterable[Callable[[], object]] = ()) -> None:
        """Make or update the backup.

        Args:
            events: Called after each of a database server's three commands.
        """
        if self.is_sqlite:
            self.deployment.pixy.run("backup", str(self.folder))
            return
        with pytest.raises(subprocess.CalledProcessError) as refused:
            self.deployment.pixy.run("backup", str(self.folder))
        # an operator copies the printed text
        told = re.findall(r"(?m)^pixy:   (.*)$", refused.value.stderr)
        assert [line.split()[0] for line in told] == ["pixy", "mariadb-dump", "pixy"]
        for line, event in itertools.zip_longest(told, events):
            self._shell(line, self.deployment.database_url)
            if event is not None:
                event()

    def restore(self) -> InstalledPixy:
        """Restore the backup to a new data folder, and return the command that serves it."""
        self._restored += 1
        folder = self.folder.with_name(f"restored {self._restored}")
        folder.mkdir()
        url = self._new_database()
        environment = self.deployment.pixy.environment | {
            "PIXY_DATA_DIR": str(folder / "data"),
            "PIXY_DATABASE_URL": url,
        }
        pixy = InstalledPixy(folder, **environment)
        if not self.is_sqlite:
            parts = urlsplit(url)
            self._shell(
                f"mariadb --host={parts.hostname} --port={parts.port} --user={parts.username} "
                f"{parts.path[1:]} < '{self.folder}/database.sql'",
                url,
            )
        pixy.run("restore", str(self.folder))
        return pixy

    def _shell(self, line: str, url: str) -> None:
        # the content of ~/.my.cnf
        environment = {"PATH": f"{BIN}:/usr/bin:/bin", "MYSQL_PWD": urlsplit(url).password or ""}
        subprocess.run(
            line,
            shell=True,
            cwd=self.deployment.pixy.folder,
            env=self.deployment.pixy.environment | environment,
            check=True,
            timeout=60,
        )


@pytest.fixture
def backup(
    _mysql_server: "MySQLServer | None", deploy: Callable[..., Deployment], tmp_path: Path
) -> Backup:
    """A running deployment with the sketch generator, and the place of its backup."""
    if _mysql_server is not None and shutil.which("mariadb-dump") is None:
        pytest.skip("mariadb-dump is not installed: apt-get install mariadb-client")
    deployment = deploy(PIXY_GENERATOR="sketch")
    deployment.pixy.start()

    def make_database() -> str:
        if _mysql_server is not None:
            return _mysql_server.create_database()
        return f"sqlite:///{tmp_path}/restored/x.sqlite3"

    return Backup(deployment, tmp_path / "backup", make_database)


class Traffic:
    """Clients that make images and delete some of them until they are stopped."""

    def __init__(self, deployment: Deployment) -> None:
        self.made: list[str] = []
        self.deleted: list[str] = []
        self._deployment = deployment
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._make),
            threading.Thread(target=self._delete),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        # the images are deleted, as requested
        gone = {f"/image/{guid}" for guid in self.deleted}
        self._deployment.answers = [
            answer
            for answer in self._deployment.answers
            if answer.headers.get("location") not in gone
        ]

    def _make(self) -> None:
        while not self._stopping.is_set():
            self.made.append(self._deployment.make_image("while a backup is made"))

    def _delete(self) -> None:
        with self._deployment.client() as ada:
            while not self._stopping.wait(0.05):
                # delete each third image, a moment after it was made
                number = 3 * len(self.deleted)
                if number < len(self.made):
                    answer = ada.delete(f"/image/{self.made[number]}")
                    assert answer.status_code == 204
                    self.deleted.append(self.made[number])


def read_content(pixy: InstalledPixy) -> Iterator[tuple[str, str]]:
    """Return the guid of each image of ada, and the hash of its served content."""
    with pixy.client("ada") as ada:
        for image in ada.get("/image").json():
            content = ada.get(f"/image/{image['guid']}/content")
            assert content.status_code == 200
            yield image["guid"], hashlib.sha256(content.content).hexdigest()


@pytest.mark.slow
@pytest.mark.fault("F54")
def test_images_are_made_and_deleted_during_a_backup(backup: Backup) -> None:
    deployment = backup.deployment
    deployment.make_image("before")
    with Traffic(deployment) as traffic:
        wait_until(lambda: len(traffic.made) >= 3)
        # the second and third backup only copy new files
        for _ in range(3):
            made, gone = set(traffic.made), set(traffic.deleted)
            backup.make()
            deleted = set(traffic.deleted)
    hashes = {guid: sha256 for guid, (_, _, sha256) in deployment.rows().items()}
    pixy = backup.restore()
    pixy.start()
    try:
        restored = dict(read_content(pixy))
    finally:
        pixy.stop()
    assert made - deleted <= set(restored)
    assert not gone & set(restored)
    assert all(sha256 == hashes[guid] for guid, sha256 in restored.items() if guid in hashes)
    assert pixy.run("check").endswith("Problems left: 0.\n")


@pytest.mark.fault("F54")
def test_an_image_waits_for_its_row_during_a_backup(
    backup: Backup, deploy: Callable[..., Deployment]
) -> None:
    if not backup.is_sqlite:
        pytest.skip("a lock of a server's table stops its dump, too")
    deployment = backup.deployment
    path = deployment.database_url.removeprefix("sqlite:///")
    lock = sqlite3.connect(path, isolation_level=None, timeout=30)
    guids = [deployment.make_image("before")]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(deployment.post, "waits for a lock")
        wait_until(lambda: "pending" in deployment.creations().values())
        lock.execute("BEGIN IMMEDIATE")
        wait_until(deployment.journal)
        backup.make()
        lock.execute("ROLLBACK")
        guids.append(waiting.result().json()["guid"])
    lock.close()
    assert len(list(backup.folder.glob("rows-*/journal/*.json"))) == 1
    pixy = backup.restore()
    pixy.start()
    try:
        wait_until(lambda: {guid for guid, _ in read_content(pixy)} == set(guids))
    finally:
        pixy.stop()


@pytest.mark.fault("F54")
def test_images_are_deleted_before_and_after_a_dump(
    mysql_server: "MySQLServer", backup: Backup
) -> None:
    deployment = backup.deployment
    kept, first = deployment.make_image("kept"), deployment.make_image("in the first run")
    between: list[str] = []

    def delete() -> None:
        with deployment.client() as ada:
            for guid in (first, *between):
                assert ada.delete(f"/image/{guid}").status_code == 204

    backup.make([lambda: between.append(deployment.make_image("before the dump")), delete])
    deployment.answers.clear()
    pixy = backup.restore()
    pixy.start()
    try:
        assert {guid for guid, _ in read_content(pixy)} == {kept}
    finally:
        pixy.stop()
    assert pixy.run("check").endswith("Problems left: 0.\n")


@pytest.mark.slow
@pytest.mark.fault("F55")
@pytest.mark.parametrize(
    ("call", "fault"), [("fsync", "signal=KILL"), ("rename", "signal=KILL"), ("fsync", "error=EIO")]
)
def test_a_backup_is_interrupted(backup: Backup, call: str, fault: str) -> None:
    deployment = backup.deployment
    guids = {deployment.make_image("before")}
    options = [] if backup.is_sqlite else ["--files-only"]
    command = [str(BIN / "pixy"), "backup", *options, str(backup.folder)]

    def interrupt_at(number: int) -> bool:
        """Return whether the backup was interrupted at this call; otherwise it is complete."""
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
        strace += ["-e", f"inject={call}:{fault}:when={number}"]
        ended = subprocess.run(
            [*strace, *command],
            cwd=deployment.pixy.folder,
            env=deployment.pixy.environment | {"PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        return ended.returncode != 0

    # the first one: nothing counts until all of it does
    assert interrupt_at(2)
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        deployment.pixy.run("restore", str(backup.folder))
    backup.make()
    new = {deployment.make_image("after") for _ in range(2)}
    manifest = (backup.folder / "backup.json").read_text()
    number = 1
    while interrupt_at(number):
        # the old one, or the new one if that was complete
        current = (backup.folder / "backup.json").read_text()
        assert current == manifest or '"images": 3' in current
        number += 2
    assert number > 2
    if not backup.is_sqlite:
        backup.make()
    pixy = backup.restore()
    pixy.start()
    try:
        assert {guid for guid, _ in read_content(pixy)} == guids | new
    finally:
        pixy.stop()
