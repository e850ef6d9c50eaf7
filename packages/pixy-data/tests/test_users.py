"""The contract of the user repository, the same on every database."""

import threading
from datetime import UTC, datetime

import pytest

from image_samples import make_detail
from pixy_core import ConstraintViolationError, User, Visibility
from pixy_data import ImageRepository, UserRepository

HOSTILE_NAMES = [
    "'; DROP TABLE users; --",
    "%s%%",
    "{0}",
    "back\\slash",
    '"',
    "😀",
    "a" * 64,
    "漢" * 64,
]


def make_user(username: str, password: str = "hash") -> User:
    return User(username=username, password=password, class_key="red")


def test_a_user_is_found_as_inserted(users: UserRepository) -> None:
    before = datetime.now(UTC)
    inserted = users.insert_user(make_user("anna", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"))
    assert users.authenticate_user("anna") == inserted
    assert inserted.created_at is not None
    assert before <= inserted.created_at <= datetime.now(UTC)
    assert not inserted.disabled


def test_a_user_keeps_the_time_that_it_had_elsewhere(users: UserRepository) -> None:
    moment = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    user = User(username="dora", password="hash", class_key="red", created_at=moment)
    assert users.insert_user(user) == user
    assert users.authenticate_user("dora") == user


def test_an_unknown_user_is_none(users: UserRepository) -> None:
    assert users.authenticate_user("nobody") is None


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_only_a_name(users: UserRepository, name: str) -> None:
    user = users.insert_user(make_user(name))
    assert users.authenticate_user(name) == user
    assert users.list_users() == [user]


@pytest.mark.parametrize("other", ["Anna", "ánna", "anna ", " anna", "anna\0", "ann", "0", ""])
def test_a_name_that_is_only_alike_finds_nothing(
    users: UserRepository, anna: User, other: str
) -> None:
    assert users.authenticate_user(other) is None
    assert not users.update_password(other, "another")
    assert not users.update_disabled(other, disabled=True)
    assert users.authenticate_user("anna") == anna


@pytest.mark.parametrize("other", ["Anna", "ánna", "anna ", " anna", "anna\0", "ann", "0", ""])
def test_a_name_that_is_only_alike_sees_nothing(
    users: UserRepository, images: ImageRepository, anna: User, other: str
) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna).guid
    assert users.authenticate_viewer(other, guid) is None


@pytest.mark.parametrize("change", ["", "{} ", " {}", "{}\0", "{}ü", "😀", "' OR 1 = 1 -- ", "%s"])
def test_a_viewer_of_what_is_no_guid_is_found_without_an_image(
    users: UserRepository, images: ImageRepository, anna: User, change: str
) -> None:
    guid = images.insert_image(make_detail(visibility=Visibility.PUBLIC), anna).guid
    assert users.authenticate_viewer("anna", change.format(guid)) == (anna, None)
    assert users.authenticate_viewer("anna", make_detail().guid) == (anna, None)


def test_a_disabled_viewer_is_found_as_disabled(
    users: UserRepository, images: ImageRepository, anna: User
) -> None:
    guid = images.insert_image(make_detail(), anna).guid
    users.update_disabled("anna", disabled=True)
    found = users.authenticate_viewer("anna", guid)
    assert found is not None
    assert found.user == users.authenticate_user("anna")
    assert found.user.disabled is True


def test_a_found_user_is_a_valid_one(users: UserRepository, anna: User) -> None:
    found = users.authenticate_user("anna")
    assert found is not None
    assert User.model_validate(found.model_dump()) == found == anna
    assert found.model_fields_set == set(User.model_fields)


def test_names_that_differ_in_case_or_accent_are_different_users(users: UserRepository) -> None:
    names = ["ANNA", "Anna", "anna", "ánna", "ß", "ss"]
    for name in names:
        users.insert_user(make_user(name, f"hash of {name}"))
    for name in names:
        found = users.authenticate_user(name)
        assert found is not None
        assert found.password == f"hash of {name}"


def test_a_taken_name_violates_a_constraint(users: UserRepository, anna: User) -> None:
    with pytest.raises(ConstraintViolationError):
        users.insert_user(make_user("anna", "another"))
    assert users.authenticate_user("anna") == anna


def test_of_two_writers_racing_for_a_name_one_wins(users: UserRepository) -> None:
    barrier, outcomes = threading.Barrier(2), list[str]()

    def insert(password: str) -> None:
        barrier.wait()
        try:
            users.insert_user(make_user("anna", password))
            outcomes.append(password)
        except ConstraintViolationError:
            outcomes.append("lost")

    threads = [threading.Thread(target=insert, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcomes.remove("lost")
    found = users.authenticate_user("anna")
    assert found is not None
    assert [found.password] == outcomes


def test_users_are_listed_by_name(users: UserRepository) -> None:
    inserted = [users.insert_user(make_user(name)) for name in ("carl", "anna", "bert")]
    assert users.list_users() == sorted(inserted, key=lambda user: user.username)


def test_a_password_is_replaced(users: UserRepository, anna: User) -> None:
    assert users.update_password("anna", "new hash")
    assert users.authenticate_user("anna") == anna.model_copy(update={"password": "new hash"})


def test_the_same_password_again_is_no_failure(users: UserRepository, anna: User) -> None:
    assert users.update_password("anna", anna.password)


def test_a_disabled_user_is_found_as_disabled_and_may_be_enabled(
    users: UserRepository, anna: User
) -> None:
    assert users.update_disabled("anna", disabled=True)
    found = users.authenticate_user("anna")
    assert found is not None
    assert found.disabled is True
    assert users.update_disabled("anna", disabled=False)
    assert users.authenticate_user("anna") == anna
