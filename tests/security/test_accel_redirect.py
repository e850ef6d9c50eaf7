"""Image files that nginx sends itself, with the configuration and the commands of docs/proxy.md."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from door import CLASSMATE, OTHER, OWNER, start_door
from front import (
    PAGE,
    Front,
    read_configurations,
    read_settings,
    replace_all,
    run_front,
)

GROUP = "www-data"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other users can enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="pixy-accel-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def front(folder: Path) -> Iterator[Front]:
    settings = read_settings() | {"PIXY_ACCEL_REDIRECT": "/internal/"}
    door = start_door(folder, **settings)
    server, _, location = read_configurations()
    last = server.rindex("}")
    configuration = replace_all(
        server[:last] + location + server[last:],
        {
            "127.0.0.1:8000": door.url.removeprefix("http://"),
            "/var/lib/pixy/data/images/": f"{folder}/data/images/",
        },
    )
    share_with_group(folder)
    with run_front(folder, configuration, door, user=f"{GROUP} {GROUP}") as front:
        yield front
    door.pixy.kill()


def share_with_group(folder: Path) -> None:
    """Run the commands of the page."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another group and run nginx as another user")
    (commands,) = re.findall(
        r"^```sh\n(chgrp .*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    subprocess.run(["sh", "-euc", commands], cwd=folder, check=True)


def content_path(front: Front, visibility: str) -> str:
    return f"/image/{front.door.images[visibility]['guid']}/content"


def ask_directly(front: Front, path: str, user: str, **headers: str) -> httpx2.Response:
    """Send a request to PixyProxy directly, without nginx."""
    with front.door.pixy.client(user) as client:
        return client.get(path, headers=headers)


def read_file(front: Front, visibility: str) -> bytes:
    details = front.door.images[visibility]
    (path,) = front.door.pixy.folder.rglob(details["filename"])
    return path.read_bytes()


@pytest.mark.parametrize("visibility", ["private", "class", "public"])
def test_nginx_sends_the_file_to_those_who_may_see_it(front: Front, visibility: str) -> None:
    path = content_path(front, visibility)
    seen = {"private": (), "class": (CLASSMATE,), "public": (CLASSMATE, OTHER, "")}[visibility]
    for user in (OWNER, CLASSMATE, OTHER, ""):
        answer = front.ask("GET", path, user=user)
        if user == OWNER or user in seen:
            assert (answer.status_code, answer.content) == (200, read_file(front, visibility))
            assert answer.headers["server"].startswith("nginx")
            assert "x-accel-redirect" not in answer.headers
        else:
            assert answer.status_code == 404
            assert "image/" not in answer.headers["content-type"]


def test_pixyproxy_answers_nginx_with_a_path_and_no_content(front: Front) -> None:
    direct = ask_directly(front, content_path(front, "private"), OWNER)
    filename = front.door.images["private"]["filename"]
    assert direct.headers["x-accel-redirect"] == f"/internal/{filename[:2]}/{filename}"
    assert direct.content == b""


@pytest.mark.parametrize("visibility", ["private", "public"])
def test_nginx_keeps_every_header_of_pixyproxy(front: Front, visibility: str) -> None:
    path = content_path(front, visibility)
    user = OWNER if visibility == "private" else ""
    direct = ask_directly(front, path, OWNER) if user else httpx2.get(front.door.url + path)
    through = front.ask("GET", path, user=user)
    names = {name for name in direct.headers if name not in ("date", "server", "x-request-id")}
    names -= {"x-accel-redirect", "content-length", "connection"}
    assert {"etag", "last-modified", "cache-control", "vary", "content-security-policy"} < names
    assert {name: through.headers.get_list(name) for name in names} == {
        name: direct.headers.get_list(name) for name in names
    }
    assert through.headers["x-request-id"]
    assert through.headers["strict-transport-security"]


def test_a_copy_that_is_up_to_date_is_answered_with_304(front: Front) -> None:
    path = content_path(front, "private")
    first = front.ask("GET", path, user=OWNER)
    for condition in (
        {"If-None-Match": first.headers["etag"]},
        {"If-Modified-Since": first.headers["last-modified"]},
    ):
        again = front.ask("GET", path, user=OWNER, headers=condition)
        assert (again.status_code, again.content) == (304, b"")
    changed = front.ask("GET", path, user=OWNER, headers={"If-None-Match": '"other"'})
    assert changed.status_code == 200
    early = {"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}
    assert front.ask("GET", path, user=OWNER, headers=early).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=10-19", 206), ("bytes=-5", 206), ("bytes=99999999-", 416), ("bytes=0-1,4-5", 200)],
)
def test_a_range_of_the_file_is_sent(front: Front, wanted: str, status: int) -> None:
    path = content_path(front, "class")
    answer = front.ask("GET", path, user=CLASSMATE, headers={"Range": wanted})
    content = read_file(front, "class")
    assert answer.status_code == status
    if status == 206:
        assert answer.content == (content[10:20] if "10" in wanted else content[-5:])
    if status == 200:
        assert answer.content == content


def test_head_has_the_length_and_no_body(front: Front) -> None:
    answer = front.ask("HEAD", content_path(front, "public"))
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(read_file(front, "public"))


def test_an_image_that_is_private_again_is_sent_to_its_owner_only(front: Front) -> None:
    guid = front.door.make_image("public")["guid"]
    assert front.ask("GET", f"/image/{guid}/content").status_code == 200
    private = {"visibility": "private"}
    changed = front.ask("PATCH", f"/image/{guid}", user=OWNER, json=private)
    assert changed.status_code == 200
    assert front.ask("GET", f"/image/{guid}/content").status_code == 404
    assert front.ask("GET", f"/image/{guid}/content", user=OWNER).status_code == 200
    assert front.ask("DELETE", f"/image/{guid}", user=OWNER).status_code == 204
    assert front.ask("GET", f"/image/{guid}/content", user=OWNER).status_code == 404


def test_new_files_are_readable_for_the_group_of_nginx_only(front: Front) -> None:
    details = front.door.make_image("public")
    assert front.ask("GET", f"/image/{details['guid']}/content").status_code == 200
    (path,) = front.door.pixy.folder.rglob(details["filename"])
    assert path.group() == GROUP
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_client_can_t_reach_the_internal_location(front: Front) -> None:
    filename = front.door.images["private"]["filename"]
    inside = f"/internal/{filename[:2]}/{filename}"
    for path in (
        inside,
        f"/internal/../internal/{filename[:2]}/{filename}",
        f"/%69nternal/{filename}",
    ):
        assert front.ask("GET", path).status_code == 404
    headers = {"X-Accel-Redirect": inside}
    answer = front.ask("GET", content_path(front, "private"), headers=headers)
    assert answer.status_code == 404
    assert b"PNG" not in answer.content
