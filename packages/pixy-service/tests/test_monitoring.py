"""What an operator's program learns of an installation."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pixy_core import DBConnectionError, SchemaError, StorageUnavailableError, User
from pixy_data import Database
from pixy_service import Monitor, OpenAIGenerator, Services, SketchGenerator, open_monitor
from pixy_service.creation.claims import Claims
from pixy_service.generators.model_guard import today
from pixy_service.stores import ImageStores
from provider import Provider
from provider_answers import Answer
from recovery_pieces import take

MODELS = ("gpt-image-2.6-flare", "gpt-image-2")


def open_generator(provider: Provider) -> OpenAIGenerator:
    return OpenAIGenerator(
        "k", base_url=provider.base_url, model=MODELS[0], further_models=MODELS[1:], timeout=30
    )


@pytest.fixture
def monitor(
    services: Services, database_url: str, tmp_path: Path, provider: Provider
) -> Iterator[Monitor]:
    with open_monitor(database_url, tmp_path, None, open_generator(provider)) as monitor:
        yield monitor


def test_a_database_is_checked_also_before_and_after_its_tables_are_there(
    database_url: str, tmp_path: Path
) -> None:
    with open_monitor(database_url, tmp_path, None, SketchGenerator()) as monitor:
        with pytest.raises(DBConnectionError):
            monitor.count_places()
        with pytest.raises((SchemaError, DBConnectionError)):
            monitor.check_database()


def test_a_database_that_answers_is_up(monitor: Monitor) -> None:
    monitor.check_database()
    monitor.check_database()


def test_places_of_all_processes_are_counted(
    monitor: Monitor, stores: ImageStores, people: tuple[User, ...]
) -> None:
    monitor.check_database()
    assert monitor.count_places() == 0
    take(Claims(stores, 2), people[0], None)
    take(Claims(stores, 2), people[0], None)
    assert monitor.count_places() == 2


def test_journal_and_disk_are_measured(monitor: Monitor, tmp_path: Path) -> None:
    assert monitor.count_journal_entries() == 0
    assert monitor.measure_free_bytes() > 0
    (tmp_path / "journal").mkdir(exist_ok=True)
    (tmp_path / "journal" / "00000000-0000-4000-8000-000000000000.json").write_text("{}")
    assert monitor.count_journal_entries() == 1


def test_a_folder_that_is_gone_is_no_number(
    database_url: str, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "file").touch()
    with open_monitor(database_url, tmp_path / "file", None, SketchGenerator()) as monitor:
        with pytest.raises(OSError, match="file"):
            monitor.measure_free_bytes()
        with pytest.raises(StorageUnavailableError):
            monitor.count_journal_entries()


def tell(provider: Provider, **days: int) -> None:
    """Let the provider tell in how many days these models are gone."""
    models = [
        {"id": MODELS[int(name[1:])], "shutdown_date": (today() + timedelta(days=n)).isoformat()}
        for name, n in days.items()
    ]
    provider.models = Answer(200, {"object": "list", "data": models})


def test_the_first_model_to_be_shut_down_counts(monitor: Monitor, provider: Provider) -> None:
    tell(provider, m0=90, m1=40)
    # midnight may pass
    assert monitor.find_shutdown_days() in (39, 40)


def test_the_provider_is_asked_once_a_day(database_url: str, tmp_path: Path) -> None:
    with (
        Provider() as provider,
        open_monitor(database_url, tmp_path, None, open_generator(provider)) as monitor,
    ):
        tell(provider, m0=90)
        for _ in range(3):
            assert monitor.find_shutdown_days() in (89, 90)
        assert provider.model_requests == 1


def test_without_a_date_there_are_no_days(monitor: Monitor, provider: Provider) -> None:
    provider.list_models("undated")
    assert monitor.find_shutdown_days() is None
