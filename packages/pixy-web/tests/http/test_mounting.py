"""The application mounted in another one: case C889."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from new_users import add_users
from pixy_web.app import create_app
from pixy_web.server.run import bind
from pixy_web.settings import Settings
from provider import Provider

PASSWORD = "correct horse"


@contextmanager
def serve(outer: Starlette) -> Iterator[str]:
    """Serve an application with uvicorn, and yield its address."""
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(outer, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def inner(tmp_path: Path, provider: Provider) -> FastAPI:
    settings = Settings.load(
        data_dir=tmp_path,
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        partial_images=1,
    )
    url = settings.database_url.get_secret_value()
    add_users(url, PASSWORD, {"ada": "class"}, quick=True)
    return create_app(settings)


@pytest.fixture(params=["/pixy", "/tools/my bücher"])
def client(inner: FastAPI, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    """A client of an application that mounts PixyProxy and runs its lifespan."""
    outer = Starlette(
        routes=[Mount(request.param, inner)],
        lifespan=lambda _: inner.router.lifespan_context(inner),
    )
    with serve(outer) as address:
        base = httpx2.URL(address).copy_with(path=request.param)
        with httpx2.Client(
            base_url=base, auth=("ada", PASSWORD), timeout=30, trust_env=False, verify=False
        ) as client:
            yield client


def follow(client: httpx2.Client, path: str) -> httpx2.Response:
    """Request a path from an answer, relative to the root of the server."""
    assert path.startswith("/")
    return client.get(httpx2.URL(client.base_url).join(path))


@pytest.mark.case("C889")
def test_paths_of_images_have_the_prefix(client: httpx2.Client) -> None:
    made = [client.post("image", json={"prompt": f"number {number}"}) for number in range(3)]
    for answer in made:
        assert answer.status_code == 201
        assert follow(client, answer.headers["location"]).json() == answer.json()
    page = client.get("image?limit=2")
    following = follow(client, page.links["next"]["url"])
    assert [image["guid"] for image in page.json() + following.json()] == [
        answer.json()["guid"] for answer in reversed(made)
    ]
    preview = client.get(f"image/{made[0].json()['guid']}/preview")
    assert preview.status_code == 303
    content = follow(client, preview.headers["location"])
    assert (content.status_code, content.headers["content-type"]) == (200, "image/png")


@pytest.mark.case("C889")
def test_paths_of_creations_have_the_prefix(client: httpx2.Client, provider: Provider) -> None:
    with provider.holding():
        respond_async = {"Prefer": "respond-async"}
        pending = [
            client.post("image", json={"prompt": f"held {number}"}, headers=respond_async)
            for number in range(2)
        ]
        for answer in pending:
            assert answer.status_code == 202
            assert follow(client, answer.headers["location"]).json()["status"] == "pending"
        page = client.get("image?status=pending&limit=1")
        (earlier,) = follow(client, page.links["next"]["url"]).json()
        assert earlier["guid"] == pending[0].json()["guid"]


@pytest.mark.case("C889")
def test_a_405_lists_the_methods_of_a_path_below_a_prefix(client: httpx2.Client) -> None:
    answer = client.put("image")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    answer = client.get("nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_resource")


@pytest.mark.case("C889")
def test_a_mounted_application_that_was_not_started_logs_why(
    inner: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(Starlette(routes=[Mount("/pixy", inner)])) as address:
        answer = httpx2.get(f"{address}/pixy/image", trust_env=False, verify=False)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    crashes = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(crashes) == 1
    assert "lifespan" in str(crashes[0].exc_info)


def test_all_threads_end_with_the_outer_application(inner: FastAPI) -> None:
    before = set(threading.enumerate())
    outer = Starlette(
        routes=[Mount("/pixy", inner)],
        lifespan=lambda _: inner.router.lifespan_context(inner),
    )
    with serve(outer) as address:
        ready = httpx2.get(f"{address}/pixy/health/ready", trust_env=False, verify=False)
        assert ready.json() == {"status": "ready"}
    left = set(threading.enumerate()) - before
    assert [thread.name for thread in left if thread.name.startswith("pixy")] == []
