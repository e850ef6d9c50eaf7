"""A database that has been in use at revision 0005, migrated to the newest revision."""

import json
import uuid
from collections.abc import Callable

import pytest

from many_images import open_connection
from old_database import open_old_database
from pixy_core import CreationStatus, ImageFilter, Scope, User, Visibility
from pixy_data import (
    ApiKeyRepository,
    CreationRepository,
    Database,
    ImageRepository,
    Row,
    UserRepository,
    initialise_database,
)
from pixy_data.database.schema import SCHEMA_REVISION

ANNA = User(username="anna 🦊", password="$argon2id$hash", class_key="red")
BERT = User(username="bert", password="-", class_key="red", disabled=True)
PROMPT = "ein Fuchs 🦊\r\nbei Nacht ' \\ %s"
NOW = "2026-11-28 12:00:00.123456"
GUIDS = {visibility.value: str(uuid.uuid4()) for visibility in Visibility}
CREATION = str(uuid.uuid4())


@pytest.fixture
def old(database_url: str) -> Database:
    return open_old_database(database_url, "0005")


# as revision 0005 had them: the repositories follow the newest tables
TABLES = {
    "users": "username, password, class_key, disabled, created_at",
    "images": "id, guid, filename, prompt, created_at, updated_at, owner, class_key, visibility, "
    "media_type, width, height, size, sha256, generator, model",
    "creations": "guid, owner, class_key, request, status, asked, problem, idempotency_key, "
    "fingerprint, expires_at, created_at, updated_at",
    "image_words": "scope, word, moment, guid, image_id",
    "sign_in_failures": "client, number, failed_at",
    "deletions": "guid, filename, created_at",
    "secrets": "name, value",
}


def read_everything(database: Database) -> dict[str, list[Row]]:
    """Return every row of the tables of 0005, with the columns that they had."""
    return {
        table: database.fetch_all(f"SELECT {columns} FROM {table} ORDER BY 1, 2", {})
        for table, columns in TABLES.items()
    }


def insert(database: Database, table: str, *values: object) -> None:
    columns = TABLES[table].split(", ")
    named = ", ".join(f":{column}" for column in columns)
    statement = f"INSERT INTO {table} ({TABLES[table]}) VALUES ({named})"
    database.execute(statement, dict(zip(columns, values, strict=True)))


def fill(database: Database) -> None:
    """Store users, images and creations as a service of revision 0005 did."""
    for user in (ANNA, BERT):
        insert(database, "users", *user.model_dump(exclude={"created_at"}).values(), NOW)
    for number, (visibility, guid) in enumerate(GUIDS.items(), 1):
        image = (guid, f"{guid}.png", PROMPT, NOW, NOW, ANNA.username, ANNA.class_key, visibility)
        facts = ("image/png", 1024, 1536, 1_500_000, "a" * 64, "sketch", "sketch-1")
        insert(database, "images", number, *image, *facts)
        scope = {"public": "public", "class": "class:red"}.get(visibility, f"owner:{ANNA.username}")
        insert(
            database,
            "image_words",
            scope,
            "fuchs",
            1_700_000_000_000_000,
            uuid.UUID(guid).bytes,
            number,
        )
    request = json.dumps({"prompt": PROMPT, "visibility": "class"})
    owned = (CREATION, ANNA.username, ANNA.class_key, request, "pending", 1, None)
    insert(database, "creations", *owned, "key", "f" * 64, NOW, NOW, NOW)
    insert(database, "sign_in_failures", "c" * 64, 1, NOW)
    insert(database, "deletions", str(uuid.uuid4()), "gone.png", NOW)


def list_columns(database: Database, table: str) -> set[str]:
    with open_connection(database) as connection:
        result = connection.exec_driver_sql(f"SELECT * FROM {table} WHERE 1 = 0")
        return set(result.keys())


def migrate(database: Database) -> None:
    initialise_database(database)


def migrate_again_after_a_kill(database: Database) -> None:
    """Migrate, and once more as if the process had ended before it noted the new revision."""
    initialise_database(database)
    database.execute("UPDATE alembic_version SET version_num = '0005'", {})
    initialise_database(database)


@pytest.mark.parametrize("way", [migrate, migrate_again_after_a_kill])
def test_every_row_of_0005_is_there_after_the_migration(
    old: Database, way: Callable[[Database], None]
) -> None:
    fill(old)
    before = read_everything(old)
    assert all(before.values())
    assert "source_count" not in list_columns(old, "images")
    way(old)
    assert old.fetch_all("SELECT version_num FROM alembic_version", {}) == [(SCHEMA_REVISION,)]
    assert read_everything(old) == before
    assert old.fetch_all("SELECT DISTINCT purchase, source_count FROM images", {}) == [(None, 0)]
    assert {"key_id", "taker", "delivered_at"} <= list_columns(old, "creations")
    old.close()


def test_what_was_stored_at_0005_is_read_by_the_repositories(old: Database) -> None:
    fill(old)
    initialise_database(old)
    users, images = UserRepository(old), ImageRepository(old)
    assert [user.username for user in users.list_users()] == [ANNA.username, BERT.username]
    found = users.authenticate_viewer(ANNA.username, GUIDS["private"])
    assert found is not None
    assert found.image is not None
    assert (found.image.prompt, found.image.height) == (PROMPT, 1536)
    assert len(images.list_visible_images(ANNA, 10)) == len(GUIDS)
    assert len(images.search_images(ImageFilter(q="fuchs", visibility=Visibility.PUBLIC), None, 9))
    creation = CreationRepository(old).find_creation(CREATION, ANNA.username)
    assert creation is not None
    assert (creation.prompt, creation.status) == (PROMPT, CreationStatus.PENDING)
    old.close()


def test_a_user_of_0005_gets_a_key_after_the_migration(old: Database) -> None:
    fill(old)
    initialise_database(old)
    keys = ApiKeyRepository(old)
    key = keys.insert_key(
        "k" * 10, "a" * 64, owner=ANNA.username, name="-", scopes=(Scope.READ,), days=None
    )
    holder = keys.find_holder("k" * 10)
    assert keys.list_keys(ANNA.username) == [key]
    assert holder is not None
    assert holder.user.class_key == "red"
    old.close()
