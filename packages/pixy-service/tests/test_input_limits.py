"""Limits that an application sets, on the user rows and images of one that set none."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from pixy_core import ImageDetailCreate, InvalidCredentialsError, InvalidInputError
from pixy_service import Credentials, ImageGenerator, Limits, Services, open_services, open_users
from provider import Provider

PASSWORD = "correct horse"
LIMITS = Limits(prompt_length=100, username_length=8, password_length=64)
RIGHT_BUT_TOO_LONG = [Credentials("a" * 9, PASSWORD), Credentials("ann", "ä" * 33)]


@pytest.fixture
def limited(
    services: Services, tmp_path: Path, database_url: str, generator: ImageGenerator
) -> Iterator[Services]:
    """Return services with limits, over a database where some credentials exceed them."""
    services.users.add_user("a" * 9, PASSWORD, "red")
    services.users.add_user("ann", "ä" * 33, "red")
    services.users.add_user("a" * 8, "ä" * 32, "red")
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=generator, limits=LIMITS
    ) as limited:
        yield limited


def test_a_prompt_over_the_limit_is_refused_before_the_provider_is_asked(
    limited: Services, provider: Provider
) -> None:
    anns = limited.private_images(limited.users.authenticate_user("ann"))
    longer = ImageDetailCreate(prompt="🦊" * 101)
    reasons = ((("prompt",), "must have at most 100 characters"),)
    for refused in (
        lambda: anns.create_image(longer),
        lambda: anns.submit_image(longer, "a key"),
        lambda: anns.find_replay(longer, "a key"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            refused()
        assert caught.value.errors == reasons
    assert provider.paid_requests == 0
    assert anns.create_image(ImageDetailCreate(prompt="🦊" * 100)).prompt == "🦊" * 100


@pytest.mark.parametrize("credentials", RIGHT_BUT_TOO_LONG)
def test_credentials_over_the_limits_are_refused_without_hashing(
    counting_hashes: Callable[[], AbstractContextManager[list[str]]],
    services: Services,
    limited: Services,
    credentials: Credentials,
) -> None:
    assert services.credentials.check(credentials).username == credentials.username
    for ask in (limited.credentials.recall, limited.credentials.check):
        with counting_hashes() as hashes, pytest.raises(InvalidCredentialsError):
            ask(credentials)
        assert hashes == []


def test_credentials_at_the_limits_are_accepted(limited: Services) -> None:
    assert limited.credentials.check(Credentials("a" * 8, "ä" * 32)).username == "a" * 8


@pytest.mark.parametrize(
    ("name", "password", "reason"),
    [
        ("b" * 9, PASSWORD, "must have at most 8 characters"),
        ("ben", "x" * 65, "at most 64 bytes"),
    ],
)
def test_no_user_is_added_who_could_not_sign_in(
    limited: Services, database_url: str, name: str, password: str, reason: str
) -> None:
    with open_users(database_url, LIMITS) as users:
        for service in (limited.users, users):
            with pytest.raises(InvalidInputError) as caught:
                service.add_user(name, password, "red")
            assert reason in caught.value.errors[0][1]
    with pytest.raises(InvalidInputError):
        limited.users.set_password("ann", "x" * 65)


def test_a_user_whose_name_is_over_the_limit_can_be_disabled(limited: Services) -> None:
    limited.users.disable_user("a" * 9)
    assert limited.users.authenticate_user("a" * 9).disabled
