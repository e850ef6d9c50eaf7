"""Deletions: listed until they are finished, and part of their transaction."""

import pytest

from image_samples import make_detail
from pixy_core import ImageFilter, User
from pixy_data import (
    Database,
    DatabaseContext,
    Deletion,
    DeletionRepository,
    ImageRepository,
    UserRepository,
    open_database,
)

GUIDS = [f"0000000{number}-0000-4000-8000-000000000000" for number in range(5)]


@pytest.fixture
def deletions(database: Database) -> DeletionRepository:
    return DeletionRepository(database)


def test_deletions_are_listed_in_pages_until_they_are_finished(
    deletions: DeletionRepository,
) -> None:
    made = [Deletion(guid, f"{guid}.png") for guid in GUIDS]
    for deletion in reversed(made):
        deletions.insert_deletion(deletion)
    assert deletions.list_deletions(2) == made[:2]
    assert deletions.list_deletions(2, after=GUIDS[1]) == made[2:4]
    for guid in (GUIDS[0], GUIDS[0], GUIDS[3]):
        deletions.delete_deletion(guid)
    assert deletions.list_deletions(9) == [made[1], made[2], made[4]]


def test_a_deletion_that_is_rolled_back_was_never_listed(
    database: Database, deletions: DeletionRepository
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        deletions.insert_deletion(Deletion(GUIDS[0], "x.png"))
    assert deletions.list_deletions(9) == []


@pytest.mark.parametrize("left", ["nothing", "the table"])
def test_upgrading_keeps_what_is_stored(
    database: Database, database_url: str, anna: User, left: str
) -> None:
    image = ImageRepository(database).insert_image(make_detail("a heron"), anna)
    secret = database.secret("cursor")
    if left == "nothing":
        database.execute("DROP TABLE deletions", {})
    # a process that was killed behind the step leaves the table and the old number
    database.execute("UPDATE alembic_version SET version_num = '0004'", {})
    upgraded = open_database(database_url)
    try:
        deletions, images = DeletionRepository(upgraded), ImageRepository(upgraded)
        assert UserRepository(upgraded).authenticate_user("anna") == anna
        (found,) = images.search_images(ImageFilter(q="heron"), anna, 9)
        assert images.find_image(found.guid) == image
        assert upgraded.secret("cursor") == secret
        deletions.insert_deletion(Deletion(image.guid, image.filename))
        assert images.delete_image(image.guid, "anna")
        assert deletions.list_deletions(9) == [(image.guid, image.filename)]
    finally:
        upgraded.close()
