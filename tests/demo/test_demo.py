"""`pixy demo`, and the commands that it prints, run in a shell."""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory of the demo and of the commands."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def printed(folder: Path) -> Iterator[str]:
    """The output of a running demo."""
    temporary = folder / "50%40"  # has a meaning in a URL
    temporary.mkdir()
    demo = subprocess.Popen(
        [str(Path(sys.executable).parent / "pixy"), "demo", "--port", "0"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    yield _read_until(demo, "Ctrl-C stops it.")
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=30)
    assert demo.returncode in (0, -signal.SIGINT)


def _read_until(process: subprocess.Popen[bytes], end: str) -> str:
    assert process.stdout is not None
    text, deadline = "", time.monotonic() + 60
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while end not in text:
            assert time.monotonic() < deadline, text
            if selector.select(timeout=1):
                chunk = os.read(process.stdout.fileno(), 65536)
                assert chunk, text
                text += chunk.decode()
    return text


def commands(printed: str) -> list[str]:
    """Return the printed commands, as a reader would paste them."""
    joined = printed.replace("\\\n", "")
    return re.findall(r"^  (curl .*)$", joined, re.MULTILINE)


def paste(command: str, folder: Path) -> str:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_the_lines_to_copy_work(printed: str, folder: Path) -> None:
    create, listing, details, download = commands(printed)
    assert paste(create, folder).startswith("HTTP/1.1 201 ")
    images = json.loads(paste(listing, folder))
    assert len(images) == 7
    assert images[0]["prompt"] == "a red kite over the sea"
    assert json.loads(paste(details, folder))["guid"] in {image["guid"] for image in images}
    assert "PNG image data" in paste(download, folder)


def test_the_demo_says_that_its_images_are_sketches(printed: str) -> None:
    assert "drawn offline by the sketch generator" in printed


def test_the_data_is_in_the_printed_folder(printed: str, folder: Path) -> None:
    match = re.search(r"Data +(\S+)", printed)
    assert match
    assert Path(match[1]).parent == folder / "50%40"
    assert (Path(match[1]) / "pixy.sqlite3").is_file()


def test_the_demo_serves_the_page(printed: str, folder: Path) -> None:
    match = re.search(r"Open +(http\S+)", printed)
    assert match
    assert "<title>PixyProxy</title>" in paste(f"curl -fsS {match[1]}", folder)


def test_a_picture_can_be_watched_while_it_is_drawn(printed: str, folder: Path) -> None:
    create = commands(printed)[0]
    made = paste(create.replace("curl -i", "curl -sS -H 'Prefer: respond-async'"), folder)
    user = re.search(r"-u (\S+)", create)
    address = re.search(r"http\S+/image", create)
    assert user
    assert address
    preview = f"curl -sSu {user[1]} {address[0]}/{json.loads(made)['guid']}/preview"
    deadline = time.monotonic() + 60
    while "PNG image data" not in paste(f"{preview} | file -", folder):
        assert time.monotonic() < deadline
