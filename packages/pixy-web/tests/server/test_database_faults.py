"""A database or a disk that fails while the service runs: cases C875 and C876."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running_service import RunningService, run_service

PAGE = 4096


@pytest.fixture
def restart(tmp_path: Path) -> Iterator[Callable[[], RunningService]]:
    """Return a function that starts a service, always on the same data folder."""
    running: list[RunningService] = []

    def restart() -> RunningService:
        for service in running:
            service.stop()
        running[:] = [run_service(tmp_path / "data")]
        return running[0]

    yield restart
    for service in running:
        service.stop()


@pytest.mark.case("C875")
def test_a_damaged_database_is_reported_to_operators_only(
    restart: Callable[[], RunningService],
) -> None:
    service = restart()
    service.make_image(service.sign_in())
    service = restart()
    file = service.settings.data_dir / "pixy.sqlite3"
    with file.open("r+b") as database:
        size = database.seek(0, 2)
        database.seek(PAGE)
        database.write(b"\xff" * (size - PAGE))
    answer = service.client().get("/image")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.json()["detail"] == "Error connecting to the database"
    assert int(answer.headers["retry-after"]) > 0
    assert f"{file}: SQLITE_CORRUPT, the file is damaged" in "\n".join(service.log_lines())


@pytest.mark.case("C876")
def test_a_file_that_can_t_be_removed_is_removed_later(
    restart: Callable[[], RunningService],
) -> None:
    service = restart()
    client = service.sign_in()
    guid = service.make_image(client, visibility="public")["guid"]
    (file,) = (service.settings.data_dir / "images").rglob(f"{guid}.*")
    content = file.read_bytes()
    file.unlink()
    # unlink does not remove a folder, even for root
    file.mkdir()
    assert client.delete(f"/image/{guid}").status_code == 204
    file.rmdir()
    file.write_bytes(content)
    for caller in (client, service.client()):
        assert caller.get(f"/image/{guid}").status_code == 404
        assert caller.get(f"/image/{guid}/content").status_code == 404
        assert guid not in caller.get("/image").text
    restart()
    deadline = time.monotonic() + 30
    while file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
