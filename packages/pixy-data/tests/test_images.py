"""The contract of the image repository, the same on every database."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from image_samples import make_detail
from pixy_core import (
    ConstraintViolationError,
    DetailedImage,
    Image,
    ImageFilter,
    User,
    Visibility,
)
from pixy_data import Database, ImageRepository, Position, UserRepository
from pixy_data.conversions import time_to_parameter

HOSTILE = [
    "'; DROP TABLE images; --",
    '"; DELETE FROM users WHERE "1"="1',
    "%s %(prompt)s %% %d",
    "{0} {prompt} {}",
    ":prompt :guid ::text \\:name",
    "back\\slash \\' \\\" \\\\ \\0 \\n",
    "quotes ' '' \" ` ´",
    "? ?1 @x @@version $1 #comment /* */ --",
    "lines\nend\r\ntab\t\x1b[31mred",
    "\u202eright to left\u202c \u200bzero width",
    " leading and trailing ",
    "é e\u0301 İ ß ﬀ 漢字",
]
MOMENT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def bert(users: UserRepository) -> User:
    return users.insert_user(User(username="bert", password="hash", class_key="red"))


@pytest.fixture
def carl(users: UserRepository) -> User:
    return users.insert_user(User(username="carl", password="hash", class_key="blue"))


def set_created(database: Database, guid: str, moment: datetime) -> None:
    database.execute(
        "UPDATE images SET created_at = :moment WHERE guid = :guid",
        {"moment": time_to_parameter(moment), "guid": guid},
    )


def test_an_image_is_found_as_it_was_inserted(images: ImageRepository, anna: User) -> None:
    detail = make_detail()
    inserted = images.insert_image(detail, anna)
    assert images.find_image(detail.guid) == inserted
    assert inserted.model_dump(include=set(type(detail).model_fields)) == {
        **detail.model_dump(),
        "owner": "anna",
    }


def test_a_found_image_is_a_valid_one(images: ImageRepository, anna: User) -> None:
    inserted = images.insert_image(make_detail(), anna)
    found = images.find_image(inserted.guid)
    assert found is not None
    assert DetailedImage.model_validate({**found.model_dump(), "id": found.id}) == found
    assert type(found.visibility) is Visibility


def test_an_unknown_guid_finds_nothing(images: ImageRepository, anna: User) -> None:
    unknown = make_detail().guid
    assert images.find_image(unknown) is None
    assert images.find_public_image(unknown) is None
    assert images.find_visible_image(unknown, anna) is None


@pytest.mark.parametrize("guid", [*HOSTILE, "", "0", "\0", "😀"])
def test_a_guid_that_is_none_finds_nothing(images: ImageRepository, anna: User, guid: str) -> None:
    images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna)
    assert images.find_public_image(guid) is None


@pytest.mark.parametrize(
    "change",
    [str.upper, "{} ".format, " {}".format, "{}\n".format],
    ids=["upper", "space after", "space before", "line end"],
)
def test_a_guid_that_is_only_alike_finds_nothing(
    images: ImageRepository, anna: User, change: Callable[[str], str]
) -> None:
    inserted = images.insert_image(make_detail(), anna)
    alike = change(inserted.guid)
    assert images.find_image(alike) is None
    assert not images.update_visibility(alike, "anna", Visibility.PUBLIC)
    assert not images.delete_image(alike, "anna")
    assert images.find_image(inserted.guid) == inserted


@pytest.mark.parametrize("prompt", [*HOSTILE, "😀" * 32_000, "漢" * 32_000, "👩‍👩‍👧‍👦 é"])
def test_a_prompt_is_kept_as_it_is(images: ImageRepository, anna: User, prompt: str) -> None:
    guid = images.insert_image(make_detail(prompt), anna).guid
    found = images.find_image(guid)
    assert found is not None
    assert found.prompt == prompt
    assert [image.prompt for image in images.list_visible_images(anna, 10)] == [prompt]


def test_a_lone_surrogate_violates_a_constraint(images: ImageRepository, anna: User) -> None:
    detail = make_detail().model_copy(update={"prompt": "half \ud83d"})
    with pytest.raises(ConstraintViolationError):
        images.insert_image(detail, anna)
    assert images.list_visible_images(anna, 10) == []


def test_times_are_utc_to_the_microsecond(images: ImageRepository, anna: User) -> None:
    before = datetime.now(UTC)
    inserted = images.insert_image(make_detail(), anna)
    after = datetime.now(UTC)
    found = images.find_image(inserted.guid)
    assert found is not None
    assert before <= found.created_at <= after
    assert found.created_at == found.updated_at == inserted.created_at
    assert found.created_at.tzinfo is UTC


@pytest.mark.parametrize("microsecond", [0, 1, 10, 999_999, 500_000])
def test_every_microsecond_comes_back(
    database: Database, images: ImageRepository, anna: User, microsecond: int
) -> None:
    guid = images.insert_image(make_detail(), anna).guid
    moment = MOMENT.replace(microsecond=microsecond)
    set_created(database, guid, moment)
    found = images.find_image(guid)
    assert found is not None
    assert found.created_at == moment


def test_a_taken_guid_violates_a_constraint(images: ImageRepository, anna: User) -> None:
    first = images.insert_image(make_detail(), anna)
    with pytest.raises(ConstraintViolationError):
        images.insert_image(make_detail("another", guid=first.guid), anna)
    assert images.find_image(first.guid) == first


def test_an_unknown_owner_violates_a_constraint(images: ImageRepository) -> None:
    nobody = User(username="nobody", password="hash", class_key="red")
    with pytest.raises(ConstraintViolationError):
        images.insert_image(make_detail(), nobody)


def test_an_owner_of_another_class_violates_a_constraint(
    images: ImageRepository, anna: User
) -> None:
    with pytest.raises(ConstraintViolationError):
        images.insert_image(make_detail(), anna.model_copy(update={"class_key": "blue"}))


@pytest.mark.parametrize("field", ["media_type", "width", "size", "sha256", "generator", "model"])
def test_a_missing_detail_violates_a_constraint(
    images: ImageRepository, anna: User, field: str
) -> None:
    with pytest.raises(ConstraintViolationError):
        images.insert_image(make_detail().model_copy(update={field: None}), anna)


def test_of_two_writers_racing_for_a_guid_one_wins(images: ImageRepository, anna: User) -> None:
    detail, barrier = make_detail(), threading.Barrier(2)
    outcomes: list[str] = []

    def insert() -> None:
        barrier.wait()
        try:
            images.insert_image(detail, anna)
            outcomes.append("won")
        except ConstraintViolationError:
            outcomes.append("lost")

    threads = [threading.Thread(target=insert) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost", "won"]
    assert len(images.list_visible_images(anna, 10)) == 1


def test_an_id_is_never_used_again(images: ImageRepository, anna: User) -> None:
    first = images.insert_image(make_detail(), anna)
    images.delete_image(first.guid, "anna")
    assert images.insert_image(make_detail(), anna).id > first.id


def test_each_viewer_sees_what_is_theirs_to_see(
    images: ImageRepository, anna: User, bert: User, carl: User
) -> None:
    made = {
        (owner.username, visibility.value): images.insert_image(
            make_detail(visibility=visibility), owner
        ).guid
        for owner in (anna, bert, carl)
        for visibility in Visibility
    }
    public = {guid for (_, visibility), guid in made.items() if visibility == "public"}
    red = {made["anna", "class"], made["bert", "class"]}
    expected = {
        anna.username: public | red | {made["anna", "private"]},
        bert.username: public | red | {made["bert", "private"]},
        carl.username: public | {made["carl", "class"], made["carl", "private"]},
    }
    assert {image.guid for image in images.list_public_images(100)} == public
    shared = images.search_images(ImageFilter(visibility=Visibility.CLASS), anna, 100)
    assert {image.guid for image in shared} == red
    for viewer in (anna, bert, carl):
        listed = [image.guid for image in images.list_visible_images(viewer, 100)]
        assert sorted(listed) == sorted(expected[viewer.username])
        found = {guid for guid in made.values() if images.find_visible_image(guid, viewer)}
        assert found == expected[viewer.username]
    assert {guid for guid in made.values() if images.find_public_image(guid)} == public
    owned = images.search_images(ImageFilter(mine=True), anna, 100)
    assert {image.guid for image in owned} == {
        guid for (owner, _), guid in made.items() if owner == "anna"
    }


def test_whoever_signs_in_sees_at_once_what_that_user_may_see(
    images: ImageRepository, users: UserRepository, anna: User, bert: User, carl: User
) -> None:
    made = [
        images.insert_image(make_detail(visibility=visibility), owner).guid
        for owner in (anna, bert, carl)
        for visibility in Visibility
    ]
    for viewer in (anna, bert, carl):
        for guid in made:
            found = users.authenticate_viewer(viewer.username, guid)
            assert found == (viewer, images.find_visible_image(guid, viewer))


def test_a_changed_class_counts_at_once(
    database: Database, images: ImageRepository, users: UserRepository, anna: User, carl: User
) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.CLASS), anna).guid
    assert users.authenticate_viewer("carl", guid) == (carl, None)
    database.execute("UPDATE users SET class_key = 'red' WHERE username = 'carl'", {})
    moved = carl.model_copy(update={"class_key": "red"})
    assert users.authenticate_viewer("carl", guid) == (moved, images.find_image(guid))


def test_anonymous_callers_do_not_see_the_owner(images: ImageRepository, anna: User) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna).guid
    found = images.find_public_image(guid)
    assert found is not None
    assert found.owner is None
    assert [image.owner for image in images.list_public_images(10)] == [None]


def test_users_are_told_the_owner(images: ImageRepository, anna: User, carl: User) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna).guid
    found = images.find_visible_image(guid, carl)
    assert found is not None
    assert found.owner == "anna"
    assert [image.owner for image in images.list_visible_images(carl, 10)] == ["anna"]


def test_images_follow_their_owner_into_another_class(
    database: Database, images: ImageRepository, anna: User, bert: User, carl: User
) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.CLASS), anna).guid
    database.execute("UPDATE users SET class_key = 'blue' WHERE username = 'anna'", {})
    assert images.list_visible_images(bert, 10) == []
    assert [image.guid for image in images.list_visible_images(carl, 10)] == [guid]
    assert images.find_visible_image(guid, carl) is not None


def test_a_page_ends_at_its_limit(images: ImageRepository, anna: User) -> None:
    made = [images.insert_image(make_detail(), anna).guid for _ in range(3)]
    assert [image.guid for image in images.list_visible_images(anna, 2)] == made[:0:-1]
    assert len(images.list_visible_images(anna, 3)) == 3
    assert len(images.list_visible_images(anna, 4)) == 3


def test_there_is_nothing_after_the_last_image(images: ImageRepository, anna: User) -> None:
    last = images.insert_image(make_detail(), anna)
    after = Position(last.created_at, last.guid)
    assert images.list_visible_images(anna, 10, after) == []
    assert images.search_images(ImageFilter(mine=True), anna, 10, after) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 20])
def test_pages_give_each_image_once_though_times_are_equal(
    database: Database, images: ImageRepository, anna: User, limit: int
) -> None:
    for number in range(12):
        visibility = list(Visibility)[number % 3]
        guid = images.insert_image(make_detail(visibility=visibility), anna).guid
        set_created(database, guid, MOMENT + timedelta(microseconds=number // 5))
    whole = images.list_visible_images(anna, 100)
    assert whole == sorted(whole, key=lambda image: (image.created_at, image.guid), reverse=True)
    assert len(whole) == 12
    for read in (
        lambda after: images.list_visible_images(anna, limit, after),
        lambda after: images.search_images(ImageFilter(mine=True), anna, limit, after),
    ):
        pages: list[Image] = []
        while page := read(Position(pages[-1].created_at, pages[-1].guid) if pages else None):
            pages += page
        assert pages == whole


def test_the_images_of_an_owner_are_listed_oldest_first(
    images: ImageRepository, anna: User, bert: User
) -> None:
    # more than a page, some of one time
    moments = [MOMENT - timedelta(seconds=number // 3) for number in range(130)]
    made = [images.insert_image(make_detail(), anna, moment) for moment in moments]
    images.insert_image(make_detail(), bert, MOMENT)
    listed = [(image.created_at, image.guid) for image in images.list_owned("anna")]
    assert listed == sorted((image.created_at, image.guid) for image in made)
    assert list(images.list_owned("nobody")) == []


def test_an_image_keeps_the_time_of_its_last_change(images: ImageRepository, anna: User) -> None:
    changed = MOMENT + timedelta(days=1, microseconds=7)
    stored = images.insert_image(make_detail(), anna, MOMENT, updated_at=changed)
    assert images.find_image(stored.guid) == stored
    assert (stored.created_at, stored.updated_at) == (MOMENT, changed)


def test_a_new_image_does_not_shift_the_next_page(images: ImageRepository, anna: User) -> None:
    made = [images.insert_image(make_detail(), anna) for _ in range(4)]
    first = images.list_visible_images(anna, 2)
    images.insert_image(make_detail(), anna)
    after = Position(first[-1].created_at, first[-1].guid)
    second = images.list_visible_images(anna, 2, after)
    assert [image.guid for image in second] == [made[1].guid, made[0].guid]


def test_the_owner_changes_the_visibility(images: ImageRepository, anna: User) -> None:
    inserted = images.insert_image(make_detail(), anna)
    assert images.update_visibility(inserted.guid, "anna", Visibility.PUBLIC)
    found = images.find_public_image(inserted.guid)
    assert found is not None
    assert found.visibility is Visibility.PUBLIC
    assert found.created_at == inserted.created_at
    assert found.updated_at > inserted.updated_at


def test_the_same_visibility_again_is_no_failure(images: ImageRepository, anna: User) -> None:
    guid = images.insert_image(make_detail(), anna).guid
    assert images.update_visibility(guid, "anna", Visibility.PRIVATE)


def test_nobody_else_changes_or_deletes_an_image(
    images: ImageRepository, anna: User, bert: User
) -> None:
    inserted = images.insert_image(make_detail(visibility=Visibility.CLASS), anna)
    assert not images.update_visibility(inserted.guid, bert.username, Visibility.PUBLIC)
    assert not images.delete_image(inserted.guid, bert.username)
    assert images.find_image(inserted.guid) == inserted


def test_a_deleted_image_is_gone(images: ImageRepository, anna: User) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna).guid
    assert images.delete_image(guid, "anna")
    assert images.find_image(guid) is None
    assert images.list_public_images(10) == []
    assert not images.delete_image(guid, "anna")
