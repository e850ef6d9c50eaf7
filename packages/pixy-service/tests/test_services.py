import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    ConfigurationError,
    DBConnectionError,
    GenerationBusyError,
    ImageDetailCreate,
    ServiceClosedError,
    StorageUnavailableError,
    User,
)
from pixy_service import (
    ImageGenerator,
    PrivateImageService,
    Services,
    open_services,
    open_users,
    prepare_stores,
    upgrade_database,
)
from pixy_service.generators.sketch import SketchGenerator
from provider import Provider

ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 30


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return when it is so, and fail if it takes longer than anything here may."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_ready(services: Services) -> bool:
    try:
        services.check_ready()
    except DBConnectionError:
        return False
    return True


class Closable(SketchGenerator):
    """Knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def blocked_url(tmp_path: Path) -> str:
    """Return the URL of a database whose folder is a file for now."""
    (tmp_path / "blocked").write_bytes(b"")
    return f"sqlite:///{tmp_path}/blocked/pixy.sqlite3"


def test_closing_waits_for_an_image_in_the_making(
    tmp_path: Path, database_url: str, generator: ImageGenerator, provider: Provider
) -> None:
    services = open_services(database_url=database_url, data_dir=tmp_path, generator=generator)
    ann = services.users.add_user("ann", "correct horse", "red")
    images = services.private_images(ann)
    with provider.holding():
        future = images.submit_image(ASKED).created
        provider.wait_for_requests(1)
        closing = threading.Thread(target=services.close)
        closing.start()
        wait_until(lambda: isinstance(_refusal_of(images), ServiceClosedError))
        assert closing.is_alive()
    closing.join(PATIENCE)
    guid = future.result(PATIENCE).image.guid
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=generator
    ) as reopened:
        assert reopened.private_images(ann).read_image(guid).image.guid == guid


def _refusal_of(images: PrivateImageService) -> Exception | None:
    try:
        images.submit_image(ImageDetailCreate(prompt="one too many"))
    except (ServiceClosedError, GenerationBusyError) as error:
        return error
    return None


def test_preparing_makes_folder_and_tables_and_starts_nothing(
    tmp_path: Path, database_url: str
) -> None:
    threads = set(threading.enumerate())
    prepare_stores(database_url, tmp_path / "data")
    assert (tmp_path / "data" / "images").is_dir()
    assert not (tmp_path / "data" / "journal").exists()
    assert set(threading.enumerate()) == threads
    with open_users(database_url) as users:
        assert users.list_users() == []


def test_preparing_does_not_wait_for_a_database_that_is_down(
    tmp_path: Path, blocked_url: str
) -> None:
    prepare_stores(blocked_url, tmp_path)


def test_closing_closes_the_generator(tmp_path: Path, database_url: str) -> None:
    generator = Closable()
    open_services(database_url=database_url, data_dir=tmp_path, generator=generator).close()
    assert generator.is_closed


def test_a_start_that_fails_closes_the_generator(tmp_path: Path, blocked_url: str) -> None:
    generator = Closable()
    with pytest.raises(DBConnectionError):
        open_services(database_url=blocked_url, data_dir=tmp_path, generator=generator)
    assert generator.is_closed


def test_closed_services_take_no_image(services: Services, people: tuple[User, ...]) -> None:
    services.close()
    with pytest.raises(ServiceClosedError):
        services.private_images(people[0]).submit_image(ASKED)


def test_closing_twice_is_allowed(services: Services) -> None:
    services.close()
    services.close()


def test_open_services_are_ready(services: Services) -> None:
    services.check_ready()


def test_services_without_their_image_folder_are_not_ready(
    services: Services, tmp_path: Path
) -> None:
    services.check_ready()
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(StorageUnavailableError):
        services.check_ready()


def test_a_database_that_is_down_stops_the_start(
    tmp_path: Path, blocked_url: str, generator: ImageGenerator
) -> None:
    with pytest.raises(DBConnectionError):
        open_services(database_url=blocked_url, data_dir=tmp_path, generator=generator)


def test_services_that_wait_start_without_their_database(
    tmp_path: Path, blocked_url: str, generator: ImageGenerator
) -> None:
    with open_services(
        database_url=blocked_url, data_dir=tmp_path, generator=generator, wait_for_database=True
    ) as services:
        for call in (
            services.check_ready,
            services.public_images.get_all_images,
            lambda: services.public_images.list_images(1),
            services.users.list_users,
        ):
            with pytest.raises(DBConnectionError):
                call()


def test_a_create_while_the_database_is_down_asks_no_provider(
    tmp_path: Path, blocked_url: str, generator: ImageGenerator, provider: Provider
) -> None:
    ann = User(username="ann", password="-", class_key="red")
    with (
        open_services(
            database_url=blocked_url, data_dir=tmp_path, generator=generator, wait_for_database=True
        ) as services,
        pytest.raises(DBConnectionError),
    ):
        services.private_images(ann).create_image(ASKED)
    assert provider.paid_requests == 0


def test_services_that_wait_work_once_their_database_does(
    tmp_path: Path, blocked_url: str, generator: ImageGenerator
) -> None:
    with open_services(
        database_url=blocked_url, data_dir=tmp_path, generator=generator, wait_for_database=True
    ) as services:
        (tmp_path / "blocked").unlink()
        wait_until(lambda: is_ready(services))
        assert services.public_images.get_all_images() == []


def test_services_that_still_wait_can_be_closed(
    tmp_path: Path, blocked_url: str, generator: ImageGenerator
) -> None:
    before = threading.active_count()
    services = open_services(
        database_url=blocked_url, data_dir=tmp_path, generator=generator, wait_for_database=True
    )
    services.close()
    assert threading.active_count() == before


def test_a_wrong_database_url_stops_the_start_even_of_services_that_wait(
    tmp_path: Path, generator: ImageGenerator
) -> None:
    with pytest.raises(ConfigurationError):
        open_services(
            database_url="oracle://somewhere/db",
            data_dir=tmp_path,
            generator=generator,
            wait_for_database=True,
        )


def test_an_image_folder_that_can_t_be_made_names_the_setting(
    tmp_path: Path, database_url: str, generator: ImageGenerator
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="PIXY_DATA_DIR"):
        open_services(database_url=database_url, data_dir=tmp_path / "file", generator=generator)


def test_users_can_be_opened_alone(database_url: str) -> None:
    with open_users(database_url) as users:
        users.add_user("ann", "correct horse", "red")
    with open_users(database_url) as users:
        assert [user.username for user in users.list_users()] == ["ann"]


def test_an_upgraded_database_is_ready_for_services(database_url: str) -> None:
    upgrade_database(database_url)
    with open_users(database_url) as users:
        assert users.list_users() == []
