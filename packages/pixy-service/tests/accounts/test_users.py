import pytest

from pixy_core import ConstraintViolationError, InvalidInputError, RecordNotFoundError
from pixy_service import Services, UserServiceInterface

PASSWORD = "correct horse"


def test_the_user_service_is_what_the_specification_names(services: Services) -> None:
    assert isinstance(services.users, UserServiceInterface)


def test_an_added_user_is_found_by_name(services: Services) -> None:
    added = services.users.add_user("ann", PASSWORD, "red")
    assert services.users.authenticate_user("ann") == added


def test_the_password_is_stored_as_an_argon2id_hash(services: Services) -> None:
    stored = services.users.add_user("ann", PASSWORD, "red").password
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in stored


def test_two_users_with_one_password_have_different_hashes(services: Services) -> None:
    ann = services.users.add_user("ann", PASSWORD, "red")
    ben = services.users.add_user("ben", PASSWORD, "red")
    assert ann.password != ben.password


def test_a_user_s_printed_form_shows_no_hash(services: Services) -> None:
    assert "argon2" not in repr(services.users.add_user("ann", PASSWORD, "red"))


@pytest.mark.parametrize("name", ["Ann", "ánn", "nobody"])
def test_another_spelling_is_another_user(services: Services, name: str) -> None:
    services.users.add_user("ann", PASSWORD, "red")
    with pytest.raises(RecordNotFoundError):
        services.users.authenticate_user(name)


def test_a_name_is_found_in_its_other_unicode_form(services: Services) -> None:
    added = services.users.add_user("b\u00e4r", PASSWORD, "red")
    assert services.users.authenticate_user("ba\u0308r") == added


def test_a_second_user_of_one_name_is_refused(services: Services) -> None:
    services.users.add_user("ann", PASSWORD, "red")
    with pytest.raises(ConstraintViolationError):
        services.users.add_user("ann", PASSWORD, "blue")


def test_a_user_who_could_not_be_added_is_refused_before_a_password_is_there(
    services: Services,
) -> None:
    services.users.check_new_user("ann", "red")
    services.users.add_user("ann", PASSWORD, "red")
    with pytest.raises(ConstraintViolationError):
        services.users.check_new_user("ann", "blue")
    for name, class_key in (("a:b", "red"), ("ben", "")):
        with pytest.raises(InvalidInputError):
            services.users.check_new_user(name, class_key)
    assert [user.username for user in services.users.list_users()] == ["ann"]


@pytest.mark.parametrize("name", ["", " ann", "a:b", "a\0b", "a" * 65, "\ud83d"])
def test_a_name_that_breaks_a_rule_is_refused(services: Services, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        services.users.add_user(name, PASSWORD, "red")
    assert caught.value.errors[0][0] == ("username",)


def test_a_class_key_that_breaks_a_rule_is_refused(services: Services) -> None:
    with pytest.raises(InvalidInputError) as caught:
        services.users.add_user("ann", PASSWORD, "")
    assert caught.value.errors[0][0] == ("class_key",)


@pytest.mark.parametrize("password", ["", "seven77", "nul\0nulnul", "a" * 1025, "\ud83d" * 8])
def test_a_password_that_breaks_a_rule_is_refused(services: Services, password: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        services.users.add_user("ann", password, "red")
    assert caught.value.errors[0][0] == ("password",)


def test_users_are_listed(services: Services) -> None:
    services.users.add_user("ben", PASSWORD, "red")
    services.users.add_user("ann", PASSWORD, "red")
    assert sorted(user.username for user in services.users.list_users()) == ["ann", "ben"]


def test_a_user_is_disabled_and_enabled_again(services: Services) -> None:
    services.users.add_user("ann", PASSWORD, "red")
    services.users.disable_user("ann")
    assert services.users.authenticate_user("ann").disabled
    services.users.enable_user("ann")
    assert not services.users.authenticate_user("ann").disabled


def test_disabling_twice_is_no_error(services: Services) -> None:
    services.users.add_user("ann", PASSWORD, "red")
    services.users.disable_user("ann")
    services.users.disable_user("ann")
    assert services.users.authenticate_user("ann").disabled


def test_a_change_to_an_unknown_user_is_an_error(services: Services) -> None:
    for change in (
        services.users.disable_user,
        services.users.enable_user,
        lambda name: services.users.set_password(name, PASSWORD),
    ):
        with pytest.raises(RecordNotFoundError):
            change("nobody")


def test_a_new_password_that_is_too_short_is_refused(services: Services) -> None:
    services.users.add_user("ann", PASSWORD, "red")
    with pytest.raises(InvalidInputError):
        services.users.set_password("ann", "short")
