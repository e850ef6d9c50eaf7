"""`pixy export` and `pixy import`, there and back, amid kills and cuts: rows F126 to F129."""

import contextlib
import io
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image as Picture

from added_images import add_images
from database_sessions import connect
from edited_pictures import MASK, PICTURES
from installed_pixy import PASSWORD
from moved_installation import Installation
from peak_memory import MARGIN, read_peak
from provider import Provider
from s3_faults import Exchange, S3Faults, S3Request
from s3_server import S3Server

if TYPE_CHECKING:
    from mysql_server import MySQLServer

COUNT, SIZE = 40, 20_000
MANY = 5_000
SMALL = 4096
CYCLES = 12
"""Kills of the slow tests, of each kind."""


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder}/data/pixy.sqlite3"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation on SQLite and files, with images that can't be compressed."""
    folder = tmp_path_factory.mktemp("source") / "old"
    source = Installation(folder, sqlite(folder))
    source.pixy.add_user("ada")
    add_images(source.url, source.data, COUNT, SIZE)
    # the first command marks the folder
    source.pixy.run("check")
    return source


@pytest.fixture(scope="module")
def archive(source: Installation) -> Path:
    path = source.data.parent / "whole.tar.zst"
    source.pixy.run("export", str(path))
    return path


def encode(kind: str) -> bytes:
    """Return an image file of a format."""
    file = io.BytesIO()
    Picture.new("RGB", (64, 48), (9, 99, 199)).save(file, kind)
    return file.getvalue()


@pytest.fixture
def proxied(tmp_path: Path, database_url: str, server: S3Server, proxy: S3Faults) -> Installation:
    """An empty installation on a bucket, whose requests go through the proxy."""
    return Installation(tmp_path / "new", database_url, server, proxy.url)


def fill(installation: Installation) -> dict[str, Any]:
    """Make images with everything that a row can say; return what its users see."""
    pixy = installation.pixy
    pixy.add_user("ada", "maths")
    pixy.add_user("Åsa", "日本")
    pixy.add_user("gone", "maths")
    pixy.start()
    with pixy.client("ada") as ada, pixy.client("gone") as gone:
        first = ada.post("/image", json={"prompt": "a 🦩\n\ttab", "quality": "high"}).json()
        ada.patch(f"/image/{first['guid']}", json={"visibility": "public"})
        for prompt, visibility in (("long " * 6000, "class"), ("東京都の夜景", "private")):
            ada.post("/image", json={"prompt": prompt, "visibility": visibility})
        uploads = [
            ada.post("/image/upload", files={"file": ("a picture", content)}).json()
            for content in (*PICTURES[:2], MASK, encode("JPEG"), encode("WEBP"))
        ]
        guids = [upload["guid"] for upload in uploads]
        edit = {"prompt": "an edit", "sources": guids[:2], "mask": guids[2]}
        assert ada.post("/image", json=edit).status_code == 201
        assert ada.delete(f"/image/{guids[1]}").status_code == 204
        assert gone.post("/image", json={"prompt": "of gone"}).status_code == 201
    with connect(installation.url) as connection:
        connection.cursor().execute("UPDATE users SET disabled = 1 WHERE username = 'gone'")
        connection.commit()
    return see(installation)


def see(installation: Installation) -> dict[str, Any]:
    """Return the lists and details that users see, and stop the server."""
    seen: dict[str, Any] = {}
    for user in ("ada", "Åsa", None):
        with installation.pixy.client(user) as client:
            listed = client.get("/image?limit=100").json()
            details = [client.get(f"/image/{image['guid']}").json() for image in listed]
            found = client.get("/image", params={"q": "東京"}).json()
            seen[str(user)] = [listed, details, found]
    installation.pixy.stop()
    return seen


def move(archive: Path, old: Installation, new: Installation) -> str:
    assert old.pixy.run("export", str(archive)).startswith("Exported ")
    return new.pixy.run("import", str(archive))


def test_an_installation_moves_to_a_server_and_a_bucket_and_back(
    tmp_path: Path, mysql_server: "MySQLServer", server: S3Server, provider: Provider
) -> None:
    paid = {
        "PIXY_GENERATOR": "openai",
        "OPENAI_API_KEY": "sk-of-the-test",
        "OPENAI_BASE_URL": provider.base_url,
    }
    folder = tmp_path / "old"
    old = Installation(folder, sqlite(folder), **paid)
    seen = fill(old)
    there = Installation(tmp_path / "there", mysql_server.create_database(), server)
    move(tmp_path / "1.tar.zst", old, there)
    back = Installation(tmp_path / "back", sqlite(tmp_path / "back"), **paid)
    move(tmp_path / "2.tar.zst", there, back)
    rows = old.dump()
    assert len(rows["images"]) == 9
    assert len(rows["image_sources"]) == 3
    assert any(row["purchase"] for row in rows["images"])
    assert any(row["created_at"] != row["updated_at"] for row in rows["images"])
    assert [row["disabled"] for row in rows["users"]] == [0, 1, 0]
    for new in (there, back):
        assert new.dump() == rows
        assert new.files() == old.files()
        assert new.list_in_order() == old.list_in_order()
    there.check()
    # and what users see, once they have passwords again
    for name in ("ada", "Åsa"):
        back.pixy.run("user", "password", name, "--password-stdin", stdin=PASSWORD)
    back.pixy.start()
    assert see(back) == seen
    # a second import finds everything there
    told = back.pixy.run("import", str(tmp_path / "1.tar.zst"))
    assert told.startswith(f"Imported 0 images from {tmp_path}/1.tar.zst, 0 bytes written: 9 of ")
    assert back.dump() == rows


@pytest.mark.fault("F126")
@pytest.mark.parametrize("kills", [2, pytest.param(CYCLES, marks=pytest.mark.slow)])
def test_an_export_is_killed_and_run_again(
    source: Installation, tmp_path: Path, kills: int
) -> None:
    archive, chance = tmp_path / "moving.tar.zst", random.Random(kills)
    partial = archive.with_name("moving.tar.zst.partial")

    def is_longer(size: int) -> bool:
        # it may get its name at this moment
        with contextlib.suppress(FileNotFoundError):
            return partial.stat().st_size >= size
        return False

    for _ in range(kills):
        size = chance.randrange(COUNT * SIZE)
        source.kill_when(lambda size=size: is_longer(size), "export", str(archive))
        # whole, or not there
        assert partial.exists() != archive.exists()
        archive.unlink(missing_ok=True)
    told = source.pixy.run("export", str(archive))
    assert told.startswith(f"Exported {COUNT} images of {COUNT * SIZE} bytes, of 1 users, to ")
    assert not partial.exists()
    told = source.pixy.run("import", "--check", str(archive))
    assert told == f"{archive} is complete: {COUNT} images of 1 users.\n"


def check_arrived(source: Installation, target: Installation) -> None:
    rows, expected = target.dump(), source.dump()
    assert rows["images"] == expected["images"]
    assert rows["users"] == expected["users"]
    assert target.files() == source.files()
    target.check()


@pytest.mark.fault("F127")
@pytest.mark.parametrize("kills", [2, pytest.param(CYCLES, marks=pytest.mark.slow)])
def test_an_import_to_files_is_killed_and_run_again(
    source: Installation, archive: Path, tmp_path: Path, database_url: str, kills: int
) -> None:
    target = Installation(tmp_path / "new", database_url)
    chance, killed = random.Random(kills), 0
    for number in range(kills):
        most = COUNT * number // kills + chance.randrange(COUNT // kills)
        killed += target.kill_when(
            lambda most=most: target.count_files() > most, "import", str(archive)
        )
        # no row without its file, at any moment
        names = {row["filename"] for row in target.dump()["images"]}
        assert names <= set(target.files())
    assert killed
    target.pixy.run("import", str(archive))
    check_arrived(source, target)


@pytest.mark.fault("F127")
@pytest.mark.parametrize("kills", [2, pytest.param(CYCLES, marks=pytest.mark.slow)])
def test_an_import_to_a_bucket_is_killed_and_run_again(
    source: Installation, archive: Path, proxied: Installation, proxy: S3Faults, kills: int
) -> None:
    chance, killed = random.Random(kills), 0
    for _ in range(kills):
        # one request for an image that is there, three for another one
        number = len(proxied.files()) + chance.randrange(1, 3 * COUNT // kills)
        killed += kill_at_request(proxied, proxy, number, archive)
        names = {row["filename"] for row in proxied.dump()["images"]}
        assert names <= set(proxied.files())
    assert killed
    proxied.pixy.run("import", str(archive))
    check_arrived(source, proxied)


def kill_at_request(target: Installation, proxy: S3Faults, number: int, archive: Path) -> bool:
    """Import, and kill the command at a request for an image; return whether it came to that."""
    seen: list[S3Request] = []
    process = target.start("import", str(archive))

    def choose(request: S3Request) -> Callable[[Exchange], None] | None:
        if "/images/" in request.path:
            seen.append(request)
        return kill if len(seen) == number else None

    def kill(exchange: Exchange) -> None:
        # every second one arrives
        if number % 2:
            exchange.forward()
        process.kill()
        exchange.cut()

    proxy.choose = choose
    with process:
        output, error = process.communicate(timeout=60)
    proxy.choose = lambda _: None
    assert len(seen) >= number or process.returncode == 0, output + error
    return process.returncode != 0


@pytest.mark.fault("F128")
def test_a_cut_or_changed_archive_is_refused_and_what_came_before_stays(
    source: Installation, archive: Path, tmp_path: Path
) -> None:
    target = Installation(tmp_path / "new", sqlite(tmp_path / "new"))
    whole, cut = archive.read_bytes(), tmp_path / "cut.tar.zst"
    cut.write_bytes(whole[: int(len(whole) * 0.6)])
    told = refuse(target, cut)
    assert "is not complete: it ends" in told
    count = len(target.dump()["images"])
    assert f"after {count} images of 1 users" in told
    assert 0 < count < COUNT
    target.compare()
    cut.write_bytes(whole[:-1] + b"?")
    assert "The archive " in refuse(target, cut)
    told = target.pixy.run("import", str(archive))
    assert f"of its {COUNT} were there already" in told
    check_arrived(source, target)


def refuse(target: Installation, archive: Path) -> str:
    """Import an archive, which is refused; return what is printed about it."""
    with pytest.raises(subprocess.CalledProcessError) as refused:
        target.pixy.run("import", str(archive))
    assert refused.value.returncode == 3
    return str(refused.value.stderr)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("F129")
def test_many_images_are_exported_and_imported_in_constant_memory(
    tmp_path: Path, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    old = Installation(tmp_path / "old", database_url)
    old.pixy.add_user("ada")
    images = list(add_images(old.url, old.data, MANY, SMALL))
    old.pixy.run("check")
    archive, peaks = tmp_path / "many.tar.zst", {}
    # they are in the order of their guids: the damaged one is reported at half of the way
    half = next(name for name in images if name >= "8")
    place = old.data / "images" / half[:2] / half
    content = place.read_bytes()
    place.write_bytes(b"damaged")
    _, peaks["export, first half"] = read_peak(old.start("export", str(archive)), until=half)
    assert not archive.exists()
    place.write_bytes(content)
    printed, peaks["export, all"] = read_peak(old.start("export", str(archive)))
    assert printed.startswith(f"Exported {MANY} images")
    new = Installation(tmp_path / "new", sqlite(tmp_path / "new"))
    new.pixy.run("import", "--check", str(archive))
    (new.data / "images").mkdir()
    new.pixy.run("check")
    # a file of the same name, without a row: it is reported
    other = new.data / "images" / half[:2] / half
    other.parent.mkdir()
    other.write_bytes(b"of somebody else")
    _, peaks["import, first half"] = read_peak(new.start("import", str(archive)), until=half[:36])
    assert 0 < len(new.dump()["images"]) < MANY
    other.unlink()
    printed, peaks["import, all"] = read_peak(new.start("import", str(archive)))
    assert f"of its {MANY} were there already" in printed
    check_arrived(old, new)
    record_property("figures", f"{MANY} images, KiB: {peaks}")
    assert peaks["export, all"] < peaks["export, first half"] + MARGIN
    assert peaks["import, all"] < peaks["import, first half"] + MARGIN
