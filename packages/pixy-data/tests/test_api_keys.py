"""The contract of the repository of API keys, the same on every database."""

from datetime import timedelta

import pytest

from image_samples import make_detail
from pixy_core import (
    ApiKey,
    ConstraintViolationError,
    Scope,
    TooManyKeysError,
    User,
    Visibility,
)
from pixy_core.keys import MAX_KEYS
from pixy_data import ApiKeyRepository, Database, ImageRepository, KeyHolder, UserRepository

ID = "q7Rt2mXc0B"
HASH = "ab" * 32
ALIKE = ["q7rt2mxc0b", f"{ID} ", f" {ID}", f"{ID}\0", "q7Rt2mXc0", "ä7Rt2mXc0B", "😀" * 10, ""]


@pytest.fixture
def keys(database: Database) -> ApiKeyRepository:
    return ApiKeyRepository(database)


def insert(
    keys: ApiKeyRepository,
    key_id: str = ID,
    owner: str = "anna",
    scopes: tuple[Scope, ...] = (Scope.READ, Scope.CREATE),
    days: int | None = None,
) -> ApiKey:
    return keys.insert_key(key_id, HASH, owner=owner, name="laptop", scopes=scopes, days=days)


def make_expired(database: Database, key_id: str) -> None:
    """Let a key have expired a moment ago, by the database's clock."""
    database.execute(
        f"UPDATE api_keys SET expires_at = {database.now_sql} WHERE id = :id", {"id": key_id}
    )


def test_a_key_is_found_as_inserted(keys: ApiKeyRepository, database: Database, anna: User) -> None:
    before = database.now()
    inserted = insert(keys, days=30)
    assert keys.find_key(ID) == inserted
    assert before <= inserted.created_at <= database.now()
    assert inserted.expires_at == inserted.created_at + timedelta(days=30)
    assert (inserted.last_used_at, inserted.revoked_at) == (None, None)
    found = keys.find_key(ID)
    assert found is not None
    assert ApiKey.model_validate(found.model_dump()) == inserted


def test_the_holder_is_the_owner_as_stored(keys: ApiKeyRepository, anna: User) -> None:
    insert(keys)
    assert keys.find_holder(ID) == KeyHolder(HASH, frozenset({Scope.READ, Scope.CREATE}), anna)


@pytest.mark.parametrize("other", ALIKE)
def test_an_id_that_is_only_alike_finds_and_changes_nothing(
    keys: ApiKeyRepository, images: ImageRepository, anna: User, other: str
) -> None:
    inserted = insert(keys)
    guid = images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna).guid
    assert keys.find_key(other) is None
    assert keys.find_holder(other) is None
    assert keys.find_viewer(other, guid) is None
    assert not keys.revoke_key(other)
    assert keys.rotate_key(other, "cd" * 32) is None
    assert keys.find_key(ID) == inserted


def test_ids_that_differ_in_case_are_two_keys(keys: ApiKeyRepository, anna: User) -> None:
    insert(keys)
    insert(keys, ID.swapcase())
    keys.revoke_key(ID.swapcase())
    assert keys.find_holder(ID) is not None


def test_a_taken_id_and_an_owner_who_is_not_there_violate_a_constraint(
    keys: ApiKeyRepository, anna: User
) -> None:
    insert(keys)
    with pytest.raises(ConstraintViolationError):
        insert(keys)
    with pytest.raises(ConstraintViolationError):
        insert(keys, "b" * 10, owner="nobody")


def test_one_statement_finds_the_image_that_the_owner_may_see(
    keys: ApiKeyRepository, users: UserRepository, images: ImageRepository, anna: User
) -> None:
    bert = users.insert_user(User(username="bert", password="-", class_key="red"))
    carl = users.insert_user(User(username="carl", password="-", class_key="blue"))
    insert(keys)
    for owner, visibility, is_seen in [
        (anna, Visibility.PRIVATE, True),
        (bert, Visibility.PRIVATE, False),
        (bert, Visibility.CLASS, True),
        (carl, Visibility.CLASS, False),
        (carl, Visibility.PUBLIC, True),
    ]:
        image = images.insert_image(make_detail(visibility=visibility), owner)
        found = keys.find_viewer(ID, image.guid)
        assert found is not None
        assert (found.hash, found.user) == (HASH, anna)
        assert found.image == (image if is_seen else None)


@pytest.mark.parametrize("change", ["", "{} ", " {}", "{}\0", "{}ü", "😀", "' OR 1 = 1 -- ", "%s"])
def test_a_viewer_of_what_is_no_guid_is_found_without_an_image(
    keys: ApiKeyRepository, images: ImageRepository, anna: User, change: str
) -> None:
    insert(keys)
    guid = images.insert_image(make_detail(), anna).guid
    found = keys.find_viewer(ID, change.format(guid))
    assert found == keys.find_viewer(ID, make_detail().guid) == keys.find_holder(ID)


@pytest.mark.parametrize("end", ["expired", "revoked", "disabled"])
def test_a_key_that_is_not_in_force_has_no_holder(
    keys: ApiKeyRepository,
    users: UserRepository,
    database: Database,
    anna: User,
    end: str,
) -> None:
    insert(keys, days=1)
    assert keys.find_holder(ID) is not None
    if end == "expired":
        make_expired(database, ID)
    elif end == "revoked":
        assert keys.revoke_key(ID)
    else:
        users.update_disabled("anna", disabled=True)
    assert keys.find_holder(ID) is None
    assert keys.find_viewer(ID, make_detail().guid) is None
    assert keys.find_key(ID) is not None


def test_a_key_works_again_when_its_owner_is_enabled(
    keys: ApiKeyRepository, users: UserRepository, anna: User
) -> None:
    insert(keys)
    users.update_disabled("anna", disabled=True)
    users.update_disabled("anna", disabled=False)
    assert keys.find_holder(ID) is not None


def test_a_key_is_revoked_once_and_its_row_stays(
    keys: ApiKeyRepository, database: Database, anna: User
) -> None:
    inserted = insert(keys)
    before = database.now()
    assert keys.revoke_key(ID)
    found = keys.find_key(ID)
    assert found is not None
    assert found.revoked_at is not None
    assert before <= found.revoked_at <= database.now()
    assert found == inserted.model_copy(update={"revoked_at": found.revoked_at})
    assert not keys.revoke_key(ID)
    assert keys.find_key(ID) == found


def test_another_user_s_key_is_neither_revoked_nor_rotated(
    keys: ApiKeyRepository, users: UserRepository, anna: User
) -> None:
    users.insert_user(User(username="bert", password="-", class_key="red"))
    inserted = insert(keys)
    assert not keys.revoke_key(ID, "bert")
    assert keys.rotate_key(ID, "cd" * 32, "bert") is None
    found = keys.find_holder(ID)
    assert found is not None
    assert found.hash == HASH
    assert keys.rotate_key(ID, "cd" * 32, "anna") == inserted
    assert keys.revoke_key(ID, "anna")


def test_a_rotated_key_has_another_hash_and_all_else(keys: ApiKeyRepository, anna: User) -> None:
    inserted = insert(keys, days=7)
    assert keys.rotate_key(ID, "cd" * 32) == inserted
    found = keys.find_holder(ID)
    assert found is not None
    assert found.hash == "cd" * 32


def test_a_key_that_is_over_is_not_rotated(
    keys: ApiKeyRepository, database: Database, anna: User
) -> None:
    insert(keys, days=7)
    make_expired(database, ID)
    assert keys.rotate_key(ID, "cd" * 32) is None
    insert(keys, "b" * 10)
    keys.revoke_key("b" * 10)
    assert keys.rotate_key("b" * 10, "cd" * 32) is None


def test_a_user_s_list_has_the_valid_keys_first_and_each_part_newest_first(
    keys: ApiKeyRepository, users: UserRepository, anna: User
) -> None:
    users.insert_user(User(username="bert", password="-", class_key="red"))
    ids = [letter * 10 for letter in "abcd"]
    for key_id in ids:
        insert(keys, key_id)
    insert(keys, "z" * 10, owner="bert")
    keys.revoke_key("c" * 10)
    found = keys.list_keys("anna")
    assert [key.revoked_at is None for key in found] == [True, True, True, False]
    order = [(key.created_at, key.id) for key in found[:3]]
    assert order == sorted(order, reverse=True)
    assert {key.id for key in found} == set(ids)
    assert {key.id for key in keys.list_all_keys()} == {*ids, "z" * 10}
    assert keys.list_keys("nobody") == []


def test_a_user_has_a_limited_number_of_keys_that_are_not_revoked(
    keys: ApiKeyRepository, users: UserRepository, anna: User
) -> None:
    users.insert_user(User(username="bert", password="-", class_key="red"))
    for number in range(MAX_KEYS):
        insert(keys, f"{number:010}")
    with pytest.raises(TooManyKeysError):
        insert(keys)
    insert(keys, "b" * 10, owner="bert")
    keys.revoke_key(f"{0:010}")
    insert(keys)


def test_uses_are_noted_in_one_batch_by_the_database_s_clock(
    keys: ApiKeyRepository, database: Database, anna: User
) -> None:
    insert(keys)
    insert(keys, "b" * 10)
    insert(keys, "c" * 10)
    before = database.now()
    keys.note_uses({ID: timedelta(0), "b" * 10: timedelta(minutes=5), "gone000000": timedelta(0)})
    after = database.now()
    used = {key.id: key.last_used_at for key in keys.list_keys("anna")}
    first, second = used[ID], used["b" * 10]
    assert first is not None
    assert second is not None
    assert before <= first <= after
    assert second == first - timedelta(minutes=5)
    assert used["c" * 10] is None


def test_a_use_is_written_at_most_once_a_minute(keys: ApiKeyRepository, anna: User) -> None:
    insert(keys)
    keys.note_uses({ID: timedelta(minutes=2)})
    first = keys.find_key(ID)
    keys.note_uses({ID: timedelta(seconds=62)})
    assert keys.find_key(ID) == first
    keys.note_uses({ID: timedelta(minutes=9)})
    assert keys.find_key(ID) == first
    keys.note_uses({ID: timedelta(seconds=30)})
    assert keys.find_key(ID) != first


def test_a_row_has_the_hash_and_no_more_of_the_key(
    keys: ApiKeyRepository, database: Database, anna: User
) -> None:
    insert(keys)
    (row,) = database.fetch_all("SELECT * FROM api_keys", {})
    assert HASH in row
    assert "pixy_" not in repr(row)
