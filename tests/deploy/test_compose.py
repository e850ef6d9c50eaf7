"""The compose files: their files exist, and their commands and settings run as processes.

No container engine runs here. Not tested: that one takes the files, its networks and volumes, and
the images of MySQL and nginx.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dockerfiles import read_dockerfile
from door import OWNER, Door
from front import read_configurations, replace_all, run_front
from installed_pixy import PASSWORD, InstalledPixy
from new_users import add_users

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
FILES = {
    name: yaml.safe_load((DEPLOY / name).read_text())
    for name in ("compose.yaml", "compose.fleet.yaml")
}
ONE, FLEET = FILES.values()
IMAGE = read_dockerfile(DEPLOY / "Dockerfile")[-1]
BY_THE_OPERATOR = re.compile(r"\./?(secrets|tls)/.*|(secrets|tls)/.*")
NGINX_GROUP = "www-data"
"""Group of nginx on Debian; it is number 101 in the image nginx."""


def pixies(file: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in file["services"].items() if "pixy" in name}


def read_commands() -> str:
    """Return the commands of docs/deploy.md that write what the compose files mount."""
    text = (ROOT / "docs/deploy.md").read_text().partition("\n## In containers\n")[2]
    return "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ after the documented commands, without those that need an engine."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(DEPLOY, checkout / "deploy")
    lines = [line for line in read_commands().splitlines() if not line.startswith("docker")]
    script = "docker() { :; }\n" + "\n".join(lines).replace("umask", ": umask")
    subprocess.run(["bash", "-euc", script], cwd=checkout, check=True, capture_output=True)
    return checkout / "deploy"


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_is_mounted_exists_or_is_written_by_a_documented_command(
    name: str, prepared: Path
) -> None:
    file = FILES[name]
    paths = [secret["file"] for secret in file["secrets"].values()]
    for service in file["services"].values():
        paths += [v.partition(":")[0] for v in service.get("volumes", []) if v.startswith(".")]
        paths += [service["env_file"]] if "env_file" in service else []
        if "build" in service:
            context = (DEPLOY / service["build"]["context"]).resolve()
            assert context == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()
    assert len(paths) >= 6
    for path in paths:
        assert (prepared / path).is_file(), path
        assert BY_THE_OPERATOR.fullmatch(path) or (DEPLOY / path).is_file(), path


@pytest.mark.parametrize("name", FILES)
def test_what_a_service_refers_to_is_declared(name: str) -> None:
    file = FILES[name]
    for service in file["services"].values():
        assert set(service.get("secrets", [])) <= set(file["secrets"])
        assert set(service.get("networks", {})) <= set(file["networks"])
        assert set(service.get("depends_on", {})) <= set(file["services"])
        named = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in named if not volume.startswith(".")} <= set(file["volumes"])


@pytest.mark.parametrize("name", FILES)
def test_a_container_is_read_only_and_stops_after_its_images_are_made(name: str) -> None:
    settings = (ROOT / "docs/configuration.md").read_text()
    (timeout,) = re.findall(r"`PIXY_GENERATION_TIMEOUT` \| `([\d.]+)`", settings)
    assert pixies(FILES[name])
    for service in pixies(FILES[name]).values():
        grace = float(service["stop_grace_period"].removesuffix("s"))
        # a bucket that hangs takes its time, too
        assert grace >= float(timeout) + (120 if "PIXY_CONTENT" in service["environment"] else 30)
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert [volume.partition(":")[2] for volume in service["volumes"]] == ["/data"]


def deployed(
    service: dict[str, Any], folder: Path, secrets: Path, **settings: str
) -> InstalledPixy:
    """Return the process of a service, with the paths and addresses of this machine."""
    values = IMAGE.environment | service["environment"]
    assert values["PIXY_SECRETS_DIR"] == "/run/secrets"
    assert values["PIXY_DATA_DIR"] == "/data"
    values |= {"PIXY_SECRETS_DIR": str(secrets), "PIXY_DATA_DIR": str(folder / "data")}
    folder.mkdir(exist_ok=True)
    return InstalledPixy(folder, **(values | {"PIXY_HOST": "127.0.0.1"} | settings))


@pytest.mark.parametrize("name", FILES)
def test_every_setting_is_accepted_and_every_secret_read(
    name: str, prepared: Path, tmp_path: Path
) -> None:
    for service in pixies(FILES[name]).values():
        pixy = deployed(service, tmp_path, prepared / "secrets")
        shown = dict(line.split("=", 1) for line in pixy.run("config").splitlines())
        expected = service["environment"].items() - {("PIXY_SECRETS_DIR", "/run/secrets")}
        assert expected <= shown.items()
        assert shown["OPENAI_API_KEY"] == "********"
        assert re.fullmatch(r"mysql://pixy:\*+@mysql:3306/pixy(\?\*+)?", shown["PIXY_DATABASE_URL"])
        assert set(service["secrets"]) == {"OPENAI_API_KEY", "PIXY_DATABASE_URL"}


def test_the_url_of_the_database_has_the_password_that_mysql_gets(prepared: Path) -> None:
    password = (prepared / "secrets/mysql-password").read_text().strip()
    assert len(password) >= 32
    assert f":{password}@mysql:" in (prepared / "secrets/PIXY_DATABASE_URL").read_text()
    for file in FILES.values():
        mysql = file["services"]["mysql"]
        assert mysql["environment"]["MYSQL_PASSWORD_FILE"] == "/run/secrets/mysql-password"
        assert mysql["secrets"] == ["mysql-password"]


def test_a_server_takes_the_options_of_mysql() -> None:
    server = os.environ.get("PIXY_TEST_MYSQLD") or shutil.which("mariadbd", path="/usr/sbin")
    if server is None:
        pytest.skip("no database server is installed")
    for file in FILES.values():
        options = file["services"]["mysql"]["command"]
        command = [server, "--no-defaults", "--user=nobody", *options, "--verbose", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr


def test_the_configurations_of_nginx_are_those_of_the_documentation() -> None:
    server, _, location = read_configurations()
    last = server.rindex("}")
    page = (ROOT / "docs/several-machines.md").read_text()
    (upstream,) = re.findall(r"^```nginx\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    upstream = re.sub(r"(?m)^.*10\.0\.0\.13.*\n", "", upstream)
    documented = {
        "pixy.conf": f"{server[:last]}\n{location}{server[last:]}",
        "fleet.conf": upstream + server[server.index("}\n") + 2 :],
    }
    here = {
        "127.0.0.1:8000": "172.30.57.11:8000",
        "/var/lib/pixy/data/images/": "/data/images/",
        "10.0.0.1": "172.30.58.1",
    }
    for name, text in documented.items():
        _, _, written = (DEPLOY / "nginx" / name).read_text().partition("\n\n")
        assert written == functools.reduce(lambda t, pair: t.replace(*pair), here.items(), text)


@pytest.mark.parametrize("name", FILES)
def test_nginx_and_the_settings_agree_on_addresses(name: str) -> None:
    file = FILES[name]
    nginx = file["services"]["nginx"]
    (mounted,) = (v.partition(":")[0] for v in nginx["volumes"] if ".conf:" in v)
    upstreams = re.findall(r"^ +server (\S+):8000", (DEPLOY / mounted).read_text(), re.MULTILINE)
    addresses = [s["networks"]["front"]["ipv4_address"] for s in pixies(file).values()]
    assert upstreams == addresses
    proxy = nginx["networks"]["front"]["ipv4_address"]
    assert {s["environment"]["PIXY_TRUSTED_PROXIES"] for s in pixies(file).values()} == {proxy}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that nginx can enter, unlike those of pytest."""
    if os.geteuid() != 0:
        pytest.skip("only root can run nginx as another user")
    folder = Path(tempfile.mkdtemp(prefix="pixy-compose-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def secrets_for(folder: Path, database: Path) -> Path:
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "OPENAI_API_KEY").write_text("sk-of-a-file\n")
    (secrets / "PIXY_DATABASE_URL").write_text(f"sqlite:///{database}\n")
    return secrets


def test_nginx_sends_the_files_of_the_volume_as_the_first_file_says(folder: Path) -> None:
    service = ONE["services"]["pixy"]
    data = folder / "pixy" / "data"
    # as deploy/Dockerfile makes the volume, with Debian's group in place of the image's
    subprocess.run(["install", "-d", "-m", "0711", folder / "pixy", data], check=True)
    subprocess.run(["install", "-d", "-g", NGINX_GROUP, "-m", "2750", data / "images"], check=True)
    secrets = secrets_for(folder, data / "pixy.sqlite3")
    pixy = deployed(
        service,
        folder / "pixy",
        secrets,
        PIXY_GENERATOR="sketch",
        PIXY_TRUSTED_PROXIES="127.0.0.1",
    )
    pixy.add_user(OWNER)
    pixy.start(*start_options(service))
    configuration = replace_all(
        (DEPLOY / "nginx/pixy.conf").read_text(),
        {"172.30.57.11:8000": pixy.url.removeprefix("http://"), "/data/images/": f"{data}/images/"},
    )
    try:
        with run_front(folder, configuration, Door(pixy), f"{NGINX_GROUP} {NGINX_GROUP}") as front:
            made = front.ask("POST", "/image", user=OWNER, json={"prompt": "a lighthouse"})
            assert made.status_code == 201, made.text
            content = front.ask("GET", f"/image/{made.json()['guid']}/content", user=OWNER)
            (file,) = data.rglob(made.json()["filename"])
            assert content.content == file.read_bytes()
            assert "Accept-Ranges" in content.headers
            assert front.ask("GET", f"/internal/{file.name}", user=OWNER).status_code == 404
    finally:
        pixy.kill()


def start_options(service: dict[str, Any]) -> list[str]:
    """Return the options of the service's command, which must be `pixy serve`."""
    command = service.get("command", IMAGE.command("CMD"))
    assert command[:2] == ["pixy", "serve"]
    return list(command[2:])


def test_two_replicas_serve_behind_nginx_as_the_second_file_says(folder: Path) -> None:
    database = folder / "pixy.sqlite3"
    secrets = secrets_for(folder, database)
    shared = {"PIXY_CONTENT": "", "PIXY_GENERATOR": "sketch", "PIXY_TRUSTED_PROXIES": "127.0.0.1"}
    shared["PIXY_DATA_DIR"] = str(folder / "data")
    replicas = [
        deployed(service, folder / name, secrets, **shared)
        for name, service in pixies(FLEET).items()
    ]
    replicas[0].run("db", "upgrade")
    # which database that is, only the secret says
    add_users(f"sqlite:///{database}", PASSWORD, {OWNER: "class"})
    try:
        for service, pixy in zip(pixies(FLEET).values(), replicas, strict=True):
            pixy.start(*start_options(service))
        text = (DEPLOY / "nginx/fleet.conf").read_text()
        for number, pixy in enumerate(replicas, 1):
            text = text.replace(f"172.30.58.1{number}:8000", pixy.url.removeprefix("http://"))
        with run_front(folder, text, Door(replicas[0])) as front:
            made = front.ask("POST", "/image", user=OWNER, json={"prompt": "a lighthouse"})
            assert made.status_code == 201, made.text
            replicas[0].kill()
            path = f"/image/{made.json()['guid']}"
            answers = [front.ask("GET", path, user=OWNER).status_code for _ in range(4)]
            assert answers == [200] * 4
    finally:
        for pixy in replicas:
            pixy.kill()
