"""A database that has been in use at revision 0006, migrated to the newest revision."""

import json
import uuid
from collections.abc import Callable

import pytest

from old_database import open_old_database
from pixy_core import ConstraintViolationError, CreationStatus
from pixy_data import (
    CreationRepository,
    Database,
    ProviderLimitRepository,
    Row,
    initialise_database,
)
from pixy_data.database.schema import SCHEMA_REVISION

PROMPT = "ein Fuchs 🦊\r\nbei Nacht ' \\ %s"
NOW = "2026-11-28 12:00:00.123456"
STATUSES = ("pending", "pending", "ready", "failed", "unknown")


@pytest.fixture
def old(database_url: str) -> Database:
    return open_old_database(database_url, "0006")


# as revision 0006 had them: the repositories follow the newest tables
TABLES = {
    "users": "username, password, class_key, disabled, created_at",
    "creations": "guid, owner, class_key, request, status, asked, problem, idempotency_key, "
    "fingerprint, expires_at, created_at, updated_at, key_id, taker, delivered_at",
}


def insert(database: Database, table: str, *values: object) -> None:
    columns = TABLES[table].split(", ")
    named = ", ".join(f":{column}" for column in columns)
    statement = f"INSERT INTO {table} ({TABLES[table]}) VALUES ({named})"
    database.execute(statement, dict(zip(columns, values, strict=True)))


def fill(database: Database) -> list[str]:
    """Store a user and creations as a service of revision 0006 did, and return their guids."""
    insert(database, "users", "anna 🦊", "-", "red", 0, NOW)
    request = json.dumps({"prompt": PROMPT})
    guids = [str(uuid.uuid4()) for _ in STATUSES]
    for guid, status in zip(guids, STATUSES, strict=True):
        owned = (guid, "anna 🦊", "red", request, status, 1, None, f"key of {guid}")
        insert(database, "creations", *owned, "f" * 64, NOW, NOW, NOW, None, None, None)
    return guids


def read_everything(database: Database) -> dict[str, list[Row]]:
    """Return every row of the tables of 0006, with the columns that they had."""
    return {
        table: database.fetch_all(f"SELECT {columns} FROM {table} ORDER BY 1", {})
        for table, columns in TABLES.items()
    }


def migrate(database: Database) -> None:
    initialise_database(database)


def migrate_again_after_a_kill(database: Database) -> None:
    """Migrate, and once more as if the process had ended before it noted the new revision."""
    initialise_database(database)
    database.execute("UPDATE alembic_version SET version_num = '0006'", {})
    initialise_database(database)


@pytest.mark.parametrize("way", [migrate, migrate_again_after_a_kill])
def test_every_row_of_0006_is_there_after_the_migration_and_has_no_place(
    old: Database, way: Callable[[Database], None]
) -> None:
    fill(old)
    before = read_everything(old)
    way(old)
    assert old.fetch_all("SELECT version_num FROM alembic_version", {}) == [(SCHEMA_REVISION,)]
    assert read_everything(old) == before
    assert old.fetch_all("SELECT DISTINCT place FROM creations", {}) == [(None,)]
    assert old.fetch_all("SELECT name FROM provider_pauses", {}) == [("images",)]
    old.close()


def test_creations_of_0006_have_limits_after_the_migration(old: Database) -> None:
    first, second, *_ = fill(old)
    initialise_database(old)
    creations, limits = CreationRepository(old), ProviderLimitRepository(old)
    assert limits.find_pause() is None
    assert limits.take_place(first, 1)
    assert not limits.take_place(second, 1)
    with pytest.raises(ConstraintViolationError):
        old.execute("UPDATE creations SET place = 1 WHERE guid = :guid", {"guid": second})
    assert creations.finish_creation(first)
    assert limits.take_place(second, 1)
    found = creations.find_creation(first, "anna 🦊")
    assert found is not None
    assert (found.prompt, found.status) == (PROMPT, CreationStatus.READY)
    old.close()


def test_a_service_of_0006_still_works_on_the_new_tables(old: Database) -> None:
    """During a roll-out its processes claim, and end, creations that have no place."""
    initialise_database(old)
    guids = fill(old)
    ended = "UPDATE creations SET status = 'failed' WHERE guid = :guid"
    assert old.execute(ended, {"guid": guids[0]}).rowcount == 1
    assert ProviderLimitRepository(old).take_place(guids[1], 1)
    old.close()
