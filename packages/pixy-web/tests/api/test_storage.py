"""An image folder that is missing, wrong or not writable: cases C350 and C840."""

from collections.abc import Callable
from pathlib import Path

import pytest

from provider import Provider
from running_service import RunningService


@pytest.fixture
def folder(fresh: RunningService) -> Path:
    return fresh.settings.data_dir / "images"


def told(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]  # type: ignore[attr-defined]


@pytest.mark.case("C350")
@pytest.mark.parametrize("is_empty", [False, True], ids=["gone", "another"])
def test_an_image_folder_of_another_database_is_refused(
    fresh: RunningService, folder: Path, is_empty: bool
) -> None:
    user = fresh.sign_in()
    path = f"/image/{fresh.make_image(user)['guid']}"
    folder.rename(folder.with_name("away"))
    if is_empty:
        folder.mkdir()
    refused = 503, "store_mismatch"
    assert told(user.get("/health/ready")) == refused
    assert told(user.get(f"{path}/content")) == refused
    assert told(user.post("/image", json={"prompt": "x"})) == refused
    assert told(user.delete(path)) == refused
    assert user.get(path).status_code == 200
    assert len(user.get("/image").json()) == 1
    assert user.patch(path, json={"visibility": "public"}).status_code == 200
    if is_empty:
        folder.rmdir()
    folder.with_name("away").rename(folder)
    assert user.get("/health/ready").status_code == 200
    assert user.get(f"{path}/content").status_code == 200


@pytest.mark.case("C350")
def test_the_provider_is_not_asked_if_the_folder_has_no_mark(
    start_service: object,
) -> None:
    with Provider() as provider:
        service = start_service(  # type: ignore[operator]
            generator="openai", openai_api_key="sk-x", openai_base_url=provider.base_url
        )
        (service.settings.data_dir / "images" / ".store").unlink()
        answer = service.sign_in().post("/image", json={"prompt": "x"})
        assert told(answer) == (503, "store_mismatch")
        assert int(answer.headers["retry-after"]) > 0
        assert provider.paid_requests == 0


@pytest.mark.case("C350")
def test_a_service_on_the_wrong_folder_starts_and_logs_that(
    fresh: RunningService, start_service: object, folder: Path
) -> None:
    fresh.make_image(fresh.sign_in())
    other = start_service(  # type: ignore[operator]
        database_url=fresh.settings.database_url.get_secret_value()
    )
    assert told(other.client().get("/health/ready")) == (503, "store_mismatch")
    assert "CRITICAL - " in other.log.getvalue()
    assert "do not belong together" in other.log.getvalue()


@pytest.mark.case("C840")
@pytest.mark.parametrize("place", ["images/.staging", "journal"])
def test_the_provider_is_not_asked_if_no_file_can_be_made(
    start_service: Callable[..., RunningService], place: str
) -> None:
    with Provider() as provider:
        service = start_service(
            generator="openai", openai_api_key="sk-x", openai_base_url=provider.base_url
        )
        user, folder = service.sign_in(), service.settings.data_dir / place
        # a file in place of the folder
        folder.write_bytes(b"")
        for answer in (user.post("/image", json={"prompt": "x"}), user.get("/health/ready")):
            assert told(answer) == (503, "storage_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        assert user.get("/image").json() == []
        folder.unlink()
        assert user.get("/health/ready").status_code == 200
        assert user.post("/image", json={"prompt": "x"}).status_code == 201
        assert provider.paid_requests == 1
