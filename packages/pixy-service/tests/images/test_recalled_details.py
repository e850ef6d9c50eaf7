"""Signing in and getting an image's details at once, where the password is remembered."""

import gc
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    Image,
    ImageDetailCreate,
    InvalidCredentialsError,
    InvalidInputError,
    RecordNotFoundError,
    TooManyFailuresError,
    User,
    Visibility,
)
from pixy_data import Database
from pixy_service import Credentials, PrivateImageService, Services
from pixy_service.stores import ImageStores

PASSWORD = "correct horse"
GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
DEE = Credentials("dee", PASSWORD)
CountingHashes = Callable[[], AbstractContextManager[list[str]]]
MakeImage = Callable[..., Image]


@pytest.fixture
def make_image(make_image: MakeImage) -> MakeImage:
    """Return a function that makes an image of Ann's, and returns what others see of it."""
    return lambda *values: make_image(*values).model_copy(update={"purchase": None})


@pytest.fixture
def dee(services: Services, anns: PrivateImageService) -> User:
    """Somebody of Ann's class, whose password is remembered."""
    assert anns
    services.users.add_user("dee", PASSWORD, "red")
    return services.credentials.check(DEE)


def recall(services: Services, guid: str, credentials: Credentials = DEE) -> object:
    viewer = services.credentials.recall_viewer(credentials, guid)
    if viewer is None:
        return None
    return viewer.image or services.private_images(viewer.user).get_details(guid)


def test_a_remembered_password_gets_the_details_without_hashing(
    counting_hashes: CountingHashes, services: Services, dee: User, make_image: MakeImage
) -> None:
    image = make_image("class")
    with counting_hashes() as hashes:
        viewer = services.credentials.recall_viewer(DEE, image.guid)
    assert viewer is not None
    user, details = viewer
    assert hashes == []
    assert details == image == services.private_images(dee).get_details(image.guid)
    assert user == dee


def test_nothing_of_it_waits_for_the_garbage_collector(
    services: Services, dee: User, make_image: MakeImage
) -> None:
    image = make_image("class")
    assert recall(services, image.guid) == image
    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            recall(services, image.guid)
        found = gc.collect()
    finally:
        gc.enable()
    # a cycle at each call would be 100 times as many objects as it has
    assert found < 100
    assert dee.username == DEE.username


@pytest.mark.parametrize("visibility", ["private", "class", "public"])
def test_it_shows_what_the_user_may_see(
    services: Services, dee: User, make_image: MakeImage, visibility: str
) -> None:
    image = make_image(visibility)
    if visibility == "private":
        with pytest.raises(RecordNotFoundError):
            recall(services, image.guid)
    else:
        assert recall(services, image.guid) == image
    assert dee.class_key == "red"


def test_a_password_that_was_not_checked_is_left_to_a_check(
    counting_hashes: CountingHashes, services: Services, dee: User, make_image: MakeImage
) -> None:
    services.users.add_user("eve", PASSWORD, "red")
    guid = make_image("public").guid
    for name, password in (("eve", PASSWORD), (dee.username, "wrong horse"), ("nobody", PASSWORD)):
        with counting_hashes() as hashes:
            assert recall(services, guid, Credentials(name, password)) is None
        assert hashes == []


@pytest.mark.usefixtures("dee")
def test_what_nobody_can_have_is_refused(services: Services, make_image: MakeImage) -> None:
    guid = make_image("public").guid
    for impossible in (
        Credentials("dee ", PASSWORD),
        Credentials("dee\0", PASSWORD),
        Credentials("", PASSWORD),
        Credentials("d" * 65, PASSWORD),
        Credentials("dee", ""),
        Credentials("dee", f"{PASSWORD}\n"),
        Credentials("dee", "a" * 1025),
    ):
        with pytest.raises(InvalidCredentialsError):
            recall(services, guid, impossible)


@pytest.mark.usefixtures("dee")
def test_a_guid_is_looked_at_before_the_password(services: Services) -> None:
    for guid in ("", "0", "{}", GUID.upper(), f"{GUID} "):
        for credentials in (DEE, Credentials("dee", "wrong horse")):
            with pytest.raises(InvalidInputError):
                recall(services, guid, credentials)


@pytest.mark.usefixtures("dee")
def test_a_disabled_user_is_left_to_a_check_at_once(
    services: Services, make_image: MakeImage
) -> None:
    image = make_image("public")
    assert recall(services, image.guid) == image
    services.users.disable_user("dee")
    assert recall(services, image.guid) is None
    services.users.enable_user("dee")
    assert recall(services, image.guid) == image


@pytest.mark.usefixtures("dee")
def test_an_old_password_is_left_to_a_check_at_once(
    services: Services, make_image: MakeImage
) -> None:
    image = make_image("public")
    assert recall(services, image.guid) == image
    services.users.set_password("dee", "another horse")
    assert recall(services, image.guid) is None


@pytest.mark.usefixtures("dee")
def test_another_class_shows_something_else_at_once(
    services: Services, database: Database, make_image: MakeImage
) -> None:
    image = make_image("class")
    assert recall(services, image.guid) == image
    database.execute("UPDATE users SET class_key = 'blue' WHERE username = 'dee'", {})
    with pytest.raises(RecordNotFoundError):
        recall(services, image.guid)


@pytest.mark.usefixtures("dee")
def test_too_many_wrong_passwords_are_told_so_and_a_remembered_one_is_not(
    services: Services, make_image: MakeImage
) -> None:
    image = make_image("public")
    wrong = Credentials("dee", "wrong horse")
    for _ in range(5):
        with pytest.raises(InvalidCredentialsError):
            services.credentials.check(wrong)
    with pytest.raises(TooManyFailuresError):
        recall(services, image.guid, wrong)
    assert recall(services, image.guid) == image


def test_an_own_creation_is_shown_to_its_owner_alone(
    services: Services, stores: ImageStores, dee: User
) -> None:
    guid = str(uuid4())
    request = ImageDetailCreate(prompt="a lighthouse", visibility=Visibility.PUBLIC)
    stores.creations.insert_creation(guid, request, dee, "0" * 64, None)
    creation = recall(services, guid)
    assert isinstance(creation, Creation)
    assert creation.status == CreationStatus.PENDING
    services.users.add_user("eve", PASSWORD, "red")
    eve = Credentials("eve", PASSWORD)
    services.credentials.check(eve)
    with pytest.raises(RecordNotFoundError):
        recall(services, guid, eve)
