"""The logs in docs/operations.md are those of real runs, and every line has the format."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from log_format import END, LINE, START
from markdown_pages import read_blocks
from new_users import add_users
from printed_text import PrintedText
from reverse_proxies import find_free_port

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
PIXY = Path(sys.executable).parent / "pixy"
ADA = ("ada", "correct horse battery")


VARYING = re.compile(r'(?<=")(process|thread|line|duration_ms|function)": (?:[\d.]+|"\w+")')
"""Members of a line in JSON that differ in each run, or change with the source."""


def write_log(folder: Path, port: int, *, workers: int = 1, **settings: str) -> str:
    """Do the steps of the page, and return their log."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
    environment |= {"PIXY_GENERATOR": "sketch", "PIXY_PORT": str(port)}
    environment |= settings
    add_users(f"sqlite:///{folder}/pixy-data/pixy.sqlite3", ADA[1], {ADA[0]: "maths"})
    log = folder / "log"
    with log.open("wb") as stderr:
        serve = [PIXY, "serve", "--workers", str(workers)]
        server = subprocess.Popen(serve, cwd=folder, env=environment, stderr=stderr)
    try:
        deadline = time.monotonic() + 90
        while log.read_text().count("startup complete") < workers:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        send_requests(f"http://127.0.0.1:{port}", folder)
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)
    finally:
        server.kill()
        server.wait()
    return log.read_text()


def send_requests(url: str, folder: Path) -> None:
    with httpx2.Client(base_url=url, trust_env=False, verify=False, timeout=30) as client:
        client.get("/health/live")
        image = client.post("/image", auth=ADA, json={"prompt": "a lighthouse"}).json()
        path = f"/image/{image['guid']}"
        client.get(path, auth=ADA)
        client.get(f"{path}/content", auth=ADA)
        client.get("/image", auth=("ada", "wrong"))
        client.get("/nowhere")
        client.put("/image")
        (folder / "pixy-data/images" / image["guid"][:2] / image["filename"]).unlink()
        client.get(f"{path}/content", auth=ADA)


def test_a_run_logs_what_the_page_shows(tmp_path: Path) -> None:
    (sample,) = read_blocks(OPERATIONS, "log")
    port = find_free_port()
    log = write_log(tmp_path, port)
    assert PrintedText({"8125": str(port)}).matches(sample, log), log
    lines = [LINE.fullmatch(line) for line in log.splitlines()]
    assert all(lines)
    messages = [line["message"] for line in lines if line]
    starts = sum(START.fullmatch(message) is not None for message in messages)
    ends = sum(END.fullmatch(message) is not None for message in messages)
    assert starts == ends == 8


def test_a_run_in_json_logs_what_the_page_shows(tmp_path: Path) -> None:
    (sample,) = read_blocks(OPERATIONS, "json")
    port = find_free_port()
    log = write_log(tmp_path, port, workers=2, PIXY_LOG_FORMAT="json")
    written, printed = (VARYING.sub(r'\1": 0', text) for text in (sample, log))
    assert PrintedText({"8125": str(port)}).matches(written, printed), log
    lines = [json.loads(line) for line in log.splitlines()]
    # the parent and the workers
    assert len({line["process"] for line in lines}) == 3
    facts = [line for line in lines if line["message"].startswith("REQUEST END")]
    assert len(facts) == 8
    users = {line["path"]: line.get("user") for line in facts if line["status"] < 400}
    assert users.pop("/health/live") is None
    assert set(users.values()) == {ADA[0]}
