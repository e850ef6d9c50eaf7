"""What images were made from, and what was made from an image: by caller, on every database."""

from collections.abc import Callable

import pytest

from image_samples import make_detail
from pixy_core import Image, ImageSource, SourceRole, User, Visibility
from pixy_data import Database, ImageRepository, Position, UserRepository, run_transaction


@pytest.fixture
def bert(users: UserRepository) -> User:
    return users.insert_user(User(username="bert", password="hash", class_key="red"))


@pytest.fixture
def carl(users: UserRepository) -> User:
    return users.insert_user(User(username="carl", password="hash", class_key="blue"))


Insert = Callable[..., Image]


@pytest.fixture
def insert(images: ImageRepository) -> Insert:
    """Return a function that inserts an image, made from others."""

    def insert(owner: User, visibility: str = "private", *sources: Image) -> Image:
        detail = make_detail(visibility=Visibility(visibility))
        return images.insert_image(detail, owner, sources=[of(source) for source in sources])

    return insert


def of(image: Image, role: SourceRole = SourceRole.IMAGE) -> ImageSource:
    assert image.sha256 is not None
    return ImageSource(guid=image.guid, sha256=image.sha256, role=role)


def test_sources_are_read_in_their_order_with_their_roles(
    images: ImageRepository, anna: User, insert: Insert
) -> None:
    first, second = insert(anna), insert(anna)
    sources = [of(second), of(first), of(second), of(first, SourceRole.MASK)]
    made = images.insert_image(make_detail(), anna, sources=sources)
    assert images.sources.list_sources(made.guid) == sources
    assert images.sources.list_sources(first.guid) == []


def test_a_row_counts_its_sources(images: ImageRepository, anna: User, insert: Insert) -> None:
    source = insert(anna)
    made = insert(anna, "private", source, source)
    found = images.find_image(made.guid)
    assert found is not None
    assert (found.source_count, made.source_count, source.source_count) == (2, 2, 0)
    assert "source_count" not in made.model_dump_json()


def test_a_caller_is_told_the_sources_that_the_caller_may_see(
    images: ImageRepository, anna: User, bert: User, carl: User, insert: Insert
) -> None:
    seen = {name: insert(anna, name) for name in ("private", "class", "public")}
    made = insert(anna, "public", *seen.values())
    told = images.sources.list_visible_sources
    assert told(made.guid, anna) == [of(image) for image in seen.values()]
    assert told(made.guid, bert) == [of(seen["class"]), of(seen["public"])]
    assert told(made.guid, carl) == [of(seen["public"])]
    assert images.sources.list_public_sources(made.guid) == [of(seen["public"])]


def test_a_source_that_is_deleted_leaves_its_hash(
    images: ImageRepository, anna: User, insert: Insert
) -> None:
    source = insert(anna, "public")
    made = insert(anna, "public", source)
    images.delete_image(source.guid, "anna")
    assert images.sources.list_sources(made.guid) == [of(source)]
    assert images.sources.list_public_sources(made.guid) == []
    assert images.sources.list_visible_sources(made.guid, anna) == []


def test_the_rows_of_sources_go_with_the_image(
    images: ImageRepository, database: Database, anna: User, insert: Insert
) -> None:
    made = insert(anna, "private", insert(anna))
    images.delete_image(made.guid, "anna")
    assert database.fetch_all("SELECT image FROM image_sources", {}) == []


def test_an_image_and_its_sources_are_inserted_together_or_not_at_all(
    images: ImageRepository, database: Database, anna: User, insert: Insert
) -> None:
    source, detail = insert(anna), make_detail()

    def fail() -> None:
        images.insert_image(detail, anna, sources=[of(source)])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_transaction(database, fail)
    assert images.find_image(detail.guid) is None
    assert database.fetch_all("SELECT image FROM image_sources", {}) == []


def test_what_was_made_from_an_image_is_listed_for_each_caller(
    images: ImageRepository, anna: User, bert: User, carl: User, insert: Insert
) -> None:
    source = insert(anna, "public")
    insert(anna, "public")
    made = {name: insert(anna, name, source, source) for name in ("private", "class", "public")}
    newest_first = [image.guid for image in reversed(made.values())]
    for user, number in ((anna, 3), (bert, 2), (carl, 1)):
        derived = images.list_visible_derived(source.guid, user, 10)
        assert [image.guid for image in derived] == newest_first[:number]
    (public,) = images.list_public_derived(source.guid, 10)
    assert (public.guid, public.owner) == (made["public"].guid, None)


def test_pages_of_what_was_made_from_an_image_give_each_once(
    images: ImageRepository, anna: User, insert: Insert
) -> None:
    source = insert(anna)
    made = [insert(anna, "private", source) for _ in range(5)]
    found, after = [], None
    while page := images.list_visible_derived(source.guid, anna, 2, after):
        found += page
        after = Position(page[-1].created_at, page[-1].guid)
    assert [image.guid for image in found] == [image.guid for image in reversed(made)]


def test_an_upload_is_found_by_its_owner_and_its_bytes(
    images: ImageRepository, anna: User, bert: User
) -> None:
    def insert(sha256: str, generator: str) -> Image:
        described = {"sha256": sha256, "generator": generator}
        return images.insert_image(make_detail().model_copy(update=described), anna)

    first, _ = (insert("a" * 64, "upload") for _ in range(2))
    insert("b" * 64, "sketch")
    found = images.find_upload("anna", "a" * 64)
    assert found is not None
    assert found.guid == first.guid
    assert images.find_upload("bert", "a" * 64) is None
    assert images.find_upload("anna", "b" * 64) is None
