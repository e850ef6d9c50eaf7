"""A database that fails under a running service: case C875."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running_service import RunningService, run_service

PAGE = 4096


@pytest.fixture
def restart(tmp_path: Path) -> Iterator[Callable[[], RunningService]]:
    """Return a function that starts a service, on the same data folder each time."""
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
def test_a_damaged_database_is_told_to_operators_only(
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
