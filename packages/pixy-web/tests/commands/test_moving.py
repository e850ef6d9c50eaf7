"""The commands `pixy export` and `pixy import`."""

import hashlib
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from archive_samples import ANN, pack_images
from new_databases import create_tables
from new_users import add_users

Run = Callable[..., subprocess.CompletedProcess[str]]
PIXY = Path(sys.executable).parent / "pixy"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The data folder of an empty installation."""
    create_tables(f"sqlite:///{tmp_path}/new/pixy.sqlite3")
    return tmp_path / "new"


@pytest.mark.usefixtures("running")
def test_the_images_of_a_running_service_move(run: Run, file: Path, new: Path) -> None:
    size = file.stat().st_size
    told = run("export", "moving.tar.zst")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"Exported 1 images of {size} bytes, of ")
    assert told.stdout.endswith(" users, to moving.tar.zst.\n")
    told = run("import", "moving.tar.zst", data_dir=new)
    assert (told.returncode, told.stderr) == (0, "")
    *users, summary = told.stdout.splitlines()
    assert all(
        re.fullmatch(r"new user   (\w+)  has no password: pixy user password \1", user)
        for user in users
    )
    assert users
    assert summary == (
        f"Imported 1 images from moving.tar.zst, {size} bytes written: 0 of its 1 were there "
        "already."
    )
    assert (new / "images" / file.parent.name / file.name).read_bytes() == file.read_bytes()
    told = run("import", "moving.tar.zst", data_dir=new)
    assert told.stdout == (
        "Imported 0 images from moving.tar.zst, 0 bytes written: 1 of its 1 were there already.\n"
    )
    assert run("check", data_dir=new).returncode == 0


@pytest.mark.parametrize("name", ["x$(touch evil) ;'id", "--help", "Åsa `id`"])
def test_the_printed_command_is_safe_for_a_shell(
    run: Run, new: Path, tmp_path: Path, name: str
) -> None:
    user = ANN.model_copy(update={"username": name})
    (tmp_path / "x").write_bytes(pack_images([], user))
    line = run("import", "x", data_dir=new).stdout.splitlines()[0]
    assert line.startswith(f"new user   {name}  has no password: pixy user password ")
    command = line.partition("has no password: ")[2]
    # what a shell makes of it
    pixy = tmp_path / "pixy"
    pixy.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    pixy.chmod(0o700)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    printed = subprocess.run(
        command, shell=True, env=environment, cwd=tmp_path, capture_output=True, check=True
    ).stdout
    first, second, *others = printed.decode().split("\0")[:-1]
    assert [first, second, others[-1]] == ["user", "password", name]
    told = run(first, second, "--password-stdin", *others, data_dir=new, stdin="a long password")
    assert (told.returncode, told.stdout) == (0, f"Changed the password of {name}.\n")
    assert not (tmp_path / "evil").exists()


def test_names_of_files_can_not_control_a_terminal(run: Run) -> None:
    name = "a\n\x1b[31mb"
    told = run("export", name)
    assert told.stdout.endswith(", to a\\n\\x1b[31mb.\n")
    for arguments in (("export", name), ("import", name), ("import", f"{name}\udcff")):
        told = run(*arguments)
        assert "\x1b" not in told.stdout + told.stderr
        assert "Traceback" not in told.stderr


def test_an_archive_is_checked_without_an_installation(run: Run, tmp_path: Path) -> None:
    run("export", "x")
    told = run("import", "--check", "x", data_dir=tmp_path / "nowhere", PIXY_TYPO="1")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("x is complete: 1 images of ")
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-9])
    told = run("import", "--check", "x")
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr.startswith("pixy: the check stopped: The archive is not complete: it ends")


def test_an_archive_goes_through_a_pipe(file: Path, new: Path, tmp_path: Path) -> None:
    old = {"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": str(file.parents[2])}
    told = subprocess.run(
        f"'{PIXY}' export - | PIXY_DATA_DIR='{new}' '{PIXY}' import -",
        shell=True,
        env=old,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert told.stderr.startswith("Exported 1 images of ")
    assert told.stdout.splitlines()[-1].startswith("Imported 1 images from -, ")


def test_a_pipe_that_ends_stops_an_export(run: Run) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    told = run("export", "-", stdout=writing)
    os.close(writing)
    assert told.returncode == 3
    assert told.stderr == ("pixy: the export stopped: The archive can't be written: Broken pipe\n")


def test_a_pipe_that_takes_a_part_of_the_bytes_does_not_lose_the_rest(
    file: Path, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    content = file.read_bytes() + os.urandom(2_000_000)
    file.write_bytes(content)
    database = sqlite3.connect(file.parents[2] / "pixy.sqlite3")
    values = (len(content), hashlib.sha256(content).hexdigest())
    with closing(database), database:
        database.execute("UPDATE images SET size = ?, sha256 = ?", values)
    environment = {"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": str(file.parents[2])}
    with subprocess.Popen(
        [PIXY, "export", "-"],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(writing)
        # part of the archive is lost, so it must not report success
        told = process.communicate(timeout=60)[1]
    os.close(reading)
    assert process.returncode == 3
    assert told.startswith("pixy: the export stopped: The archive can't be written: ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_a_redirection_stops_an_export(file: Path, unbuffered: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": str(file.parents[2])}
    with Path("/dev/full").open("wb") as full:
        told = subprocess.run(
            [PIXY, "export", "-"],
            env=environment | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert told.returncode == 3
    assert told.stderr == (
        "pixy: the export stopped: The archive can't be written: No space left on device\n"
    )


def test_a_closed_standard_input_is_told(new: Path) -> None:
    told = subprocess.run(
        f"'{PIXY}' import - <&-",
        shell=True,
        env={"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": str(new)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 2
    assert told.stderr.endswith("Error: Standard input is closed.\n")


def test_a_full_standard_output_stops_an_import_and_an_export(run: Run) -> None:
    run("export", "x")
    for arguments in (["import", "x"], ["import", "--check", "x"], ["export", "y"]):
        with Path("/dev/full").open("wb") as full:
            told = run(*arguments, stdout=full.fileno())
        assert told.returncode == 3, told.stderr
        assert told.stderr == (
            f"pixy: the {'check' if '--check' in arguments else arguments[0]} stopped: "
            "standard output can't be written: No space left on device\n"
        )


def test_damaged_images_are_reported_and_exit_with_1(run: Run, file: Path, new: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    told = run("export", "x")
    line = f"missing    images/{file.parent.name}/{file.name}  its file is not there"
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stderr == "pixy: 1 images were not exported\n"
    file.write_bytes(content)
    run("export", "y")
    odd = new / "images" / file.parent.name / file.name
    run("import", "y", data_dir=new)
    run("import", "x", data_dir=new)
    assert odd.read_bytes() == content
    odd.write_bytes(b"damaged")
    told = run("import", "y", data_dir=new)
    assert told.returncode == 0
    assert told.stdout.endswith("1 of its 1 were there already, 1 of them repaired.\n")


def add_user(data_dir: Path, name: str, class_key: str) -> None:
    add_users(f"sqlite:///{data_dir}/pixy.sqlite3", "a long password", {name: class_key})


def test_a_user_of_another_class_is_reported_until_it_is_named(run: Run, new: Path) -> None:
    name = run("user", "list").stdout.partition("\t")[0]
    run("export", "x", "--user", name)
    add_user(new, name, "strangers")
    told = run("import", "x", data_dir=new)
    assert told.returncode == 1
    assert told.stdout.startswith(f"refused    user {name}  this user is of another class here")
    assert told.stderr == "pixy: 1 images were not imported\n"
    told = run("import", "x", "--map-user", f"{name}={name}", data_dir=new)
    assert told.returncode == 0
    given, summary = told.stdout.splitlines()
    assert given == f"existing   {name}  gets the images of {name}"
    assert summary.startswith("Imported 1 images")


def test_a_class_that_is_here_is_told(run: Run, new: Path) -> None:
    name, class_key, _ = run("user", "list").stdout.splitlines()[0].split("\t")
    run("export", "x", "--user", name)
    add_user(new, "other", class_key)
    told = run("import", "x", data_dir=new)
    assert told.returncode == 0
    line = f"class      {class_key}  its users here see what is imported for this class"
    assert told.stdout.splitlines()[1] == line


def test_a_name_that_the_archive_does_not_have_is_told(run: Run, new: Path) -> None:
    name = run("user", "list").stdout.partition("\t")[0]
    run("export", "x")
    run("import", "x", data_dir=new)
    line = "unused     user Ada  --map-user names it, and the archive has no such user\n"
    for arguments in (["--check"], []):
        told = run("import", *arguments, "x", "--map-user", f"Ada={name}", data_dir=new)
        assert (told.returncode, told.stderr) == (1, "")
        assert told.stdout.startswith(line)


def test_what_can_not_be_done_exits_with_3(run: Run, file: Path, new: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    for arguments, words in (
        (("export", "taken"), "exists, and is not replaced"),
        (("export", "nowhere/x"), "can't be written"),
        (("export", "."), "is not the name of a file"),
        (("import", "nowhere"), "can't be read"),
        (("import", "taken"), "is not complete"),
    ):
        told = run(*arguments)
        assert (told.returncode, told.stdout) == (3, ""), arguments
        assert told.stderr.startswith(f"pixy: the {arguments[0]} stopped: ")
        assert words in told.stderr
    (file.parents[1] / ".store").unlink()
    told = run("export", "x")
    assert (told.returncode, told.stdout) == (3, "")
    assert "do not belong together" in told.stderr
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["export"], {}),
        (["import"], {}),
        (["export", "x", "--user", "nobody"], {}),
        (["export", "x", "--class", "none"], {}),
        (["export", "x", "--user", "a:b"], {}),
        (["export", "x", "--query", ""], {}),
        (["export", "x"], {"PIXY_DATA_DIR": "/nowhere"}),
        (["export", "x"], {"PIXY_TYPO": "1"}),
        (["import", "x", "--map-user", "ada"], {}),
        (["import", "x", "--map-user", "ada=nobody"], {}),
        (["import", "x", "--map-user", "ada=a", "--map-user", "ada=b"], {}),
        (["import", "x", "--check", "--map-user", "a:b=ada"], {}),
        (["import", "x"], {"PIXY_DATABASE_URL": "sqlite:////nowhere/x"}),
    ],
    ids=str,
)
def test_wrong_usage_and_wrong_settings_exit_with_2(
    run: Run, arguments: list[str], environment: dict[str, str]
) -> None:
    told = run(*arguments, **environment)
    assert told.returncode == 2
    assert told.stderr
    assert "Traceback" not in told.stderr


def test_an_archive_is_not_printed_to_a_terminal(run: Run) -> None:
    terminal, end = os.openpty()
    told = run("export", "-", stdout=end)
    os.close(end)
    os.close(terminal)
    assert told.returncode == 2
    assert "not text" in told.stderr
