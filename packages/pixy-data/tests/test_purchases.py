"""What was bought with an image: kept in its row, and shown to its owner alone."""

import pytest

from image_samples import make_detail
from pixy_core import Image, ImageFilter, Purchase, User, Visibility
from pixy_data import Database, ImageRepository, UserRepository, open_database

PURCHASE = Purchase(
    size="1536x1024",
    quality="high",
    reported={"size": "1536x1024", "quality": "high"},
    usage={"total_tokens": 208, "odd": [1.5, None, "é 😀 \0", {"deep": True}]},
    upstream_request_id="req_1",
)


@pytest.fixture
def bert(users: UserRepository) -> User:
    return users.insert_user(User(username="bert", password="hash", class_key="red"))


@pytest.fixture
def carl(users: UserRepository) -> User:
    return users.insert_user(User(username="carl", password="hash", class_key="blue"))


def test_what_was_bought_is_found_as_it_was_inserted(images: ImageRepository, anna: User) -> None:
    inserted = images.insert_image(make_detail(), anna, purchase=PURCHASE)
    assert inserted.purchase == PURCHASE
    assert images.find_image(inserted.guid) == inserted


def test_only_the_owner_is_told_what_was_bought(
    images: ImageRepository, users: UserRepository, anna: User, bert: User, carl: User
) -> None:
    detail = make_detail(visibility=Visibility.PUBLIC)
    guid = images.insert_image(detail, anna, purchase=PURCHASE).guid
    for user in (anna, bert, carl):
        expected = PURCHASE if user == anna else None
        found = images.find_visible_image(guid, user)
        viewer = users.authenticate_viewer(user.username, guid)
        assert found is not None
        assert viewer is not None
        assert viewer.image == found
        assert found.purchase == expected
    public = images.find_public_image(guid)
    assert public is not None
    assert (public.owner, public.purchase) == (None, None)


def test_lists_do_not_tell_what_was_bought(images: ImageRepository, anna: User) -> None:
    images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna, purchase=PURCHASE)
    for found in (
        images.list_visible_images(anna, 9),
        images.list_public_images(9),
        images.search_images(ImageFilter(q="lighthouse"), anna, 9),
    ):
        assert [type(image) for image in found] == [Image]
        assert "purchase" not in found[0].model_dump()


def test_an_image_of_the_version_before_has_no_purchase(
    images: ImageRepository, database: Database, database_url: str, anna: User
) -> None:
    inserted = images.insert_image(make_detail(), anna, purchase=PURCHASE)
    database.execute("ALTER TABLE images DROP COLUMN purchase", {})
    database.execute("UPDATE alembic_version SET version_num = '0005'", {})
    upgraded = open_database(database_url)
    try:
        found = ImageRepository(upgraded).find_visible_image(inserted.guid, anna)
    finally:
        upgraded.close()
    assert found == inserted.model_copy(update={"purchase": None})
