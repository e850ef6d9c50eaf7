"""deploy/pixy.service: systemd reads it, and its command runs with its credentials and limits.

No systemd runs here: what shows that PixyProxy works inside the unit's limits is a comparison of
the system calls that it makes with those that the unit allows.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from deployment import wait_until
from installed_pixy import PASSWORD
from new_users import add_users
from provider import Provider
from reverse_proxies import find_free_port

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "pixy.service"
MOST_EXPOSED = 20
"""Tenths that `systemd-analyze security` may give; 100 is a service without any limit."""


def read_unit() -> list[tuple[str, str]]:
    """Return the settings of the section Service, repeated ones too."""
    section = UNIT.read_text().partition("[Service]\n")[2].partition("\n[Install]")[0]
    return re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE)


SERVICE = dict(read_unit())
CREDENTIALS = dict(value.split(":") for name, value in read_unit() if name == "LoadCredential")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    path = tmp_path / UNIT.name
    # the program and the user are not on this machine
    names = {"/opt/pixy/bin/pixy": "/bin/true", "User=pixy": "User=root"}
    text = UNIT.read_text()
    for there, here in names.items():
        assert there in text
        text = text.replace(there, here)
    path.write_text(text)
    done = analyze("verify", "--man=no", str(path))
    assert [line for line in done.stderr.splitlines() if path.name in line] == []


def test_the_unit_exposes_little() -> None:
    options = ("--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager")
    done = analyze("security", *options, str(UNIT))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_file_that_is_loaded_has_the_name_of_a_setting() -> None:
    settings = (ROOT / "docs/configuration.md").read_text()
    assert {"OPENAI_API_KEY", "PIXY_DATABASE_URL"} == set(CREDENTIALS)
    for name, path in CREDENTIALS.items():
        assert path == f"/etc/pixy/{name}"
        assert f"| `{name}` |" in settings


def test_systemd_waits_until_running_images_are_made() -> None:
    settings = (ROOT / "docs/configuration.md").read_text()
    (timeout,) = re.findall(r"`PIXY_GENERATION_TIMEOUT` \| `([\d.]+)`", settings)
    assert int(SERVICE["TimeoutStopSec"]) >= float(timeout) + 120  # 30 without a bucket


def test_the_server_writes_to_its_state_folder_only() -> None:
    assert SERVICE["WorkingDirectory"] == f"/var/lib/{SERVICE['StateDirectory']}"
    assert SERVICE["ProtectSystem"] == "strict"
    assert "ReadWritePaths" not in SERVICE


class Service:
    """The unit's command, started as systemd would, from credentials in files."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder, self.port = folder / "state", find_free_port()
        credentials = folder / "credentials"
        for path in (self.folder, credentials):
            path.mkdir()
        self.database = f"sqlite:///{self.folder}/of-the-credential.sqlite3"
        values = {"OPENAI_API_KEY": "sk-of-a-file\n", "PIXY_DATABASE_URL": self.database}
        assert set(values) == set(CREDENTIALS)
        for name, value in values.items():
            (credentials / name).write_text(value)
        (self.folder / ".env").write_text(
            f"OPENAI_BASE_URL={provider.base_url}\nPIXY_PORT={self.port}\nPIXY_WORKERS=2\n"
        )
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "CREDENTIALS_DIRECTORY": str(credentials),
        }
        self.program = Path(sys.executable).parent / "pixy"

    def run(self, *prefix: str) -> "subprocess.Popen[bytes]":
        program, *arguments = SERVICE["ExecStart"].split()
        assert program == "/opt/pixy/bin/pixy"
        umask = int(SERVICE["UMask"], 8)
        log = (self.folder.parent / "log").open("ab")
        with log:
            return subprocess.Popen(
                [*prefix, self.program, *arguments],
                cwd=self.folder,
                env=self.environment,
                umask=umask,
                stderr=log,
            )

    def add_user(self) -> None:
        add_users(self.database, PASSWORD, {"ada": "red"})

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/health/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def make_image(self) -> None:
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}", auth=("ada", PASSWORD), timeout=60
        ) as ada:
            answer = ada.post("/image", json={"prompt": "a lighthouse"})
            assert answer.status_code == 201, answer.text
            path = f"/image/{answer.json()['guid']}/content"
            assert ada.get(path).status_code == 200
            assert ada.get(f"{path}?width=320").status_code == 200


def test_the_command_takes_key_and_database_from_the_files_that_systemd_loads(
    tmp_path: Path,
) -> None:
    with Provider() as provider:
        service = Service(tmp_path, provider)
        service.add_user()
        process = service.run()
        try:
            wait_until(service.is_ready, "the server")
            service.make_image()  # as a user of that database
            keys = {request.headers["authorization"] for request in provider.requests}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
    assert keys == {"Bearer sk-of-a-file"}
    images = list((service.folder / "pixy-data" / "images").glob("[0-9a-f][0-9a-f]/*"))
    assert [oct(path.stat().st_mode & 0o777) for path in images] == ["0o640"]


@pytest.mark.slow
def test_the_server_makes_no_system_call_that_the_unit_forbids(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    allowed = set(re.findall(r"^\s+(\w+)$", expand(SERVICE["SystemCallFilter"]), re.MULTILINE))
    trace = tmp_path / "trace"
    with Provider() as provider:
        service = Service(tmp_path, provider)
        service.add_user()
        process = service.run(strace, "-f", "-qq", "-o", str(trace), "--")
        try:
            wait_until(service.is_ready, "the server")
            service.make_image()
        finally:
            listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for child in listed:
                os.kill(int(child), signal.SIGTERM)
            process.wait(timeout=60)
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE))
    assert len(made) > 50
    assert made - allowed == set()


def expand(name: str) -> str:
    """Return the calls of a set, with those of the sets in it."""
    text = analyze("syscall-filter", "--no-pager", name).stdout
    return text + "".join(
        expand(other) for other in re.findall(r"^\s+(@[\w-]+)$", text, re.MULTILINE)
    )
