"""The whole service, from the command line to the file on disk, over HTTP only."""

import os
import re
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import httpx2

from database_sessions import connect
from installed_pixy import PASSWORD, InstalledPixy
from log_format import END, LINE, START
from provider import Provider


def make_image(client: httpx2.Client, prompt: str, visibility: str = "private") -> str:
    """Return the path of a new image."""
    answer = client.post("/image", json={"prompt": prompt, "visibility": visibility})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def wait_until(is_true: object) -> None:
    # a supervisor that waits for a killed worker notices its death after 30 seconds
    deadline = time.monotonic() + 90
    while not is_true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_image_is_made_found_shared_and_deleted(pixy: InstalledPixy) -> None:
    pixy.add_user_by_command("ada")
    pixy.start()
    with pixy.client("ada") as ada, pixy.client() as stranger:
        path = make_image(ada, "a lighthouse 🦩")
        assert [image["prompt"] for image in ada.get("/image").json()] == ["a lighthouse 🦩"]
        assert stranger.get(path).status_code == 404
        assert ada.patch(path, json={"visibility": "public"}).status_code == 200
        content = stranger.get(f"{path}/content")
        assert content.content.startswith(b"\x89PNG")
        assert content.headers["cache-control"] == "public, max-age=60"
        assert ada.delete(path).status_code == 204
        assert stranger.get(path).status_code == 404
    stop(pixy, workers=1)


def stop(pixy: InstalledPixy, workers: int) -> None:
    """Stop a server, whose log ends with the end of each process."""
    assert pixy.stop() in (0, -signal.SIGTERM)
    assert pixy.log.count("Application shutdown complete") == workers
    assert pixy.log.count("Finished server process") == workers


def test_a_list_with_short_and_long_prompts_is_complete(
    pixy: InstalledPixy, database_url: str
) -> None:
    pixy.add_user("ada")
    pixy.start()
    # a page of long prompts after one of short prompts, and the other way round
    prompts = [f"{number} {'x' * (20_000 if 350 < number < 450 else 1)}" for number in range(900)]
    with pixy.client("ada") as ada, pixy.client() as stranger:
        make_image(ada, prompts[0], "public")
        copy_row(database_url, prompts[1:])
        for client in (ada, stranger):
            listed = [image["prompt"] for image in client.get("/image").json()]
            assert [len(prompt) for prompt in listed] == [len(prompt) for prompt in prompts]
            assert listed == prompts


def copy_row(database_url: str, prompts: list[str]) -> None:
    """Add a copy of the only image for each prompt, each a second older than the last."""
    mark = "?" if database_url.startswith("sqlite") else "%s"
    with connect(database_url) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT * FROM images")
        columns = [description[0] for description in cursor.description]
        original = dict(zip(columns, cursor.fetchone(), strict=True))
        newest = datetime.fromisoformat(str(original["created_at"]))
        del original["id"]
        rows = [
            original
            | {"guid": str(uuid.uuid4()), "prompt": prompt}
            | {"created_at": (newest - timedelta(seconds=number)).isoformat(" ", "microseconds")}
            for number, prompt in enumerate(prompts, start=1)
        ]
        marks = ", ".join([mark] * len(original))
        insert = f"INSERT INTO images ({', '.join(original)}) VALUES ({marks})"
        cursor.executemany(insert, [tuple(row.values()) for row in rows])
        connection.commit()


def test_a_restart_keeps_everything(pixy: InstalledPixy) -> None:
    pixy.add_user("ada")
    pixy.start()
    with pixy.client("ada") as ada:
        for prompt in ("ein Café am Fluß", "an ox", "東京都の夜景"):
            path = make_image(ada, prompt, "public")
        before = ada.get("/image").json()
        cursor = ada.get("/image?limit=2").links["next"]["url"]
    pixy.stop()
    pixy.start()
    with pixy.client("ada") as ada, pixy.client() as stranger:
        assert ada.get("/image").json() == before
        assert ada.get(cursor).json() == before[2:]
        for image in before:
            assert len(ada.get(f"/image/{image['guid']}/content").content) == image["size"]
        check_search(stranger)
        check_thumbnail(stranger, path)
        assert ada.delete(path).status_code == 204
        assert ada.get("/image", params={"q": "東京"}).json() == []


def check_search(stranger: httpx2.Client) -> None:
    for q, found in (
        ("cafe fluss", ["ein Café am Fluß"]),
        ("ox", ["an ox"]),
        ("東京", ["東京都の夜景"]),
        ("caf*", ["ein Café am Fluß"]),
        ("o*", []),
    ):
        images = stranger.get("/image", params={"q": q, "visibility": "public"}).json()
        assert [image["prompt"] for image in images] == found


def check_thumbnail(stranger: httpx2.Client, path: str) -> None:
    small = stranger.get(f"{path}/content?width=160")
    assert small.headers["content-type"] == "image/webp"
    again = stranger.get(
        f"{path}/content?width=160", headers={"If-None-Match": small.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_several_workers_serve_one_database_and_a_killed_one_is_replaced(
    pixy: InstalledPixy,
) -> None:
    # no table exists yet: the workers and the first requests start with a new database
    pixy.start("--workers", "3")
    pixy.add_user("ada")

    def make(number: int) -> tuple[str, str]:
        with pixy.client("ada") as ada:
            answer = ada.post("/image", json={"prompt": f"image {number}"})
            assert answer.status_code == 201, answer.text
            return answer.json()["guid"], answer.headers["x-request-id"].rpartition("-")[2]

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(make, range(32)))
    assert len({thread for _, thread in made}) > 1, "one worker served everything"
    for _ in range(6):
        with pixy.client("ada") as ada:
            listed = ada.get("/image").json()
            assert {image["guid"] for image in listed} == {guid for guid, _ in made}
            page = ada.get("/image?limit=20")
            # a cursor of one worker is valid in every other
            with pixy.client("ada") as again:
                assert len(again.get(page.links["next"]["url"]).json()) == 12
    replace_worker(pixy)
    with pixy.client("ada") as ada:
        make_image(ada, "still there")
    stop(pixy, workers=3)


def replace_worker(pixy: InstalledPixy) -> None:
    """Kill one of three workers, and wait until another one has started."""
    # a worker that dies during a health check is replaced after 30 s, the time it has to answer
    wait_until(lambda: pixy.log.count("Application startup complete") == 3)
    victim = min(pixy.workers())
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(set(pixy.workers()) - {victim}) == 3)
    wait_until(lambda: pixy.log.count("Application startup complete") == 4)


def test_a_stop_lets_running_creates_finish(paid: InstalledPixy, provider: Provider) -> None:
    paid.add_user("ada")
    paid.start()
    for count, number in enumerate((signal.SIGTERM, signal.SIGINT), start=1):
        size = len(paid.log.encode())
        with paid.client("ada") as ada, ThreadPoolExecutor(1) as threads:
            with provider.holding():
                running = threads.submit(ada.post, "/image", json={"prompt": f"slow {count}"})
                provider.wait_for_requests(count)
                paid.signal(number)
                wait_until(lambda size=size: "Shutting down" in paid.log_from(size))
            assert running.result().status_code == 201
        assert paid.wait() in (0, -number)
        paid.start()
        with paid.client("ada") as ada:
            kept = [image["prompt"] for image in ada.get("/image").json()]
        assert kept == [f"slow {number}" for number in range(count, 0, -1)]
        assert provider.paid_requests == count
    assert "Traceback" not in paid.log


def test_every_line_of_the_log_has_the_format_and_no_secret(
    paid: InstalledPixy, provider: Provider
) -> None:
    paid.add_user("ada")
    paid.start()
    provider.behave("unauthorized", "png")
    with paid.client("ada") as ada, paid.client() as stranger:
        assert ada.post("/image", json={"prompt": "refused"}).status_code == 502
        path = make_image(ada, "secret\nprompt")
        for client in (ada, stranger):
            client.get(path)
            client.get("/nowhere")
            client.put("/image")
    paid.stop()
    lines = [LINE.fullmatch(line) for line in paid.log.splitlines()]
    assert all(lines), paid.log
    requests = [line for line in lines if line and line["message"].startswith("REQUEST ")]
    starts = [line["request_id"] for line in requests if START.fullmatch(line["message"])]
    ends = [line["request_id"] for line in requests if END.fullmatch(line["message"])]
    assert len(starts) + len(ends) == len(requests)
    assert sorted(starts) == sorted(ends)
    assert len(set(starts)) == len(starts) > 8
    for secret in (PASSWORD, "sk-of-the-test", "sk-secret", "secret\\x0aprompt"):
        assert secret not in paid.log
    assert re.search(r"setting OPENAI_API_KEY=\*+$", paid.log, re.MULTILINE)


def test_a_database_that_goes_away_comes_back_without_a_restart(
    pixy: InstalledPixy, mysql_server: object
) -> None:
    pixy.add_user("ada")
    pixy.start()
    with pixy.client("ada") as ada:
        path = make_image(ada, "before")
        mysql_server.kill()  # type: ignore[attr-defined]
        for answer in (ada.get(path), ada.post("/image", json={"prompt": "x"})):
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        assert ada.get("/health/live").status_code == 200
        assert ada.get("/health/ready").status_code == 503
        mysql_server.start()  # type: ignore[attr-defined]
        assert ada.get(path).status_code == 200
        make_image(ada, "after")
