import itertools
from collections.abc import Callable
from typing import Any

import pytest

from pixy_core import (
    GenerationBusyError,
    Image,
    ImageDetailCreate,
    InvalidInputError,
    PermissionDeniedError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_service import ImageServiceInterface, PrivateImageService, Services
from provider import Provider

ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 30
ABSENT = "00000000-0000-4000-8000-000000000000"
VIEWERS = ("stranger", "cleo", "ben", "ann")
SEES = {
    "private": {"ann"},
    "class": {"ann", "ben"},
    "public": {"ann", "ben", "cleo", "stranger"},
}
READS = ("get_image_by_guid", "get_image_file", "read_image")
WRITES = ("change_visibility", "delete_image")


@pytest.fixture
def service_of(services: Services, people: tuple[User, ...]) -> Callable[[str], Any]:
    """Return a function that gives a viewer's service."""
    users = {user.username: user for user in people}

    def find(viewer: str) -> Any:
        if viewer == "stranger":
            return services.public_images
        return services.private_images(users[viewer])

    return find


def call(service: Any, method: str, guid: str) -> Any:
    arguments = (Visibility.PUBLIC,) if method == "change_visibility" else ()
    return getattr(service, method)(guid, *arguments)


def test_the_private_service_is_an_image_service(anns: PrivateImageService) -> None:
    assert isinstance(anns, ImageServiceInterface)


@pytest.mark.parametrize("visibility", SEES)
def test_an_image_is_read_by_those_who_may_see_it_and_nobody_else(
    service_of: Callable[[str], Any], make_image: Callable[..., Image], visibility: str
) -> None:
    guid = make_image(visibility).guid
    for viewer, method in itertools.product(VIEWERS, READS):
        if viewer in SEES[visibility]:
            assert call(service_of(viewer), method, guid), (viewer, method)
        else:
            with pytest.raises(RecordNotFoundError):
                call(service_of(viewer), method, guid)


@pytest.mark.parametrize("visibility", SEES)
def test_a_list_holds_what_its_viewer_may_see_and_nothing_else(
    service_of: Callable[[str], Any], make_image: Callable[..., Image], visibility: str
) -> None:
    guid = make_image(visibility).guid
    for viewer in VIEWERS:
        expected = [guid] if viewer in SEES[visibility] else []
        service = service_of(viewer)
        assert [image.guid for image in service.get_all_images()] == expected, viewer
        assert [image.guid for image in service.list_images(10).images] == expected, viewer


@pytest.mark.parametrize("visibility", SEES)
def test_only_the_owner_writes_and_others_learn_only_of_what_they_see(
    service_of: Callable[[str], Any], make_image: Callable[..., Image], visibility: str
) -> None:
    before = make_image(visibility)
    for viewer, method in itertools.product(("ben", "cleo"), WRITES):
        is_seen = viewer in SEES[visibility]
        with pytest.raises(PermissionDeniedError if is_seen else RecordNotFoundError):
            call(service_of(viewer), method, before.guid)
        assert service_of("ann").get_image_by_guid(before.guid) == before, (viewer, method)


@pytest.mark.parametrize("method", [*READS, *WRITES])
def test_a_hidden_image_fails_exactly_as_one_that_does_not_exist(
    service_of: Callable[[str], Any], make_image: Callable[..., Image], method: str
) -> None:
    errors = []
    for guid in (make_image("private").guid, ABSENT):
        with pytest.raises(RecordNotFoundError) as caught:
            call(service_of("cleo"), method, guid)
        errors.append((type(caught.value), caught.value.args, vars(caught.value)))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("method", WRITES)
def test_the_public_service_has_no_way_to_write(services: Services, method: str) -> None:
    assert not hasattr(services.public_images, method)


@pytest.mark.parametrize("visibility", list(Visibility))
def test_an_image_is_made_with_the_visibility_that_was_asked_for(
    make_image: Callable[..., Image], visibility: Visibility
) -> None:
    assert make_image(visibility).visibility is visibility


def test_an_image_is_private_unless_asked_otherwise(anns: PrivateImageService) -> None:
    assert anns.create_image(ImageDetailCreate(prompt="x")).visibility is Visibility.PRIVATE


def test_an_owner_changes_who_may_see_an_image(
    anns: PrivateImageService, services: Services, make_image: Callable[..., Image]
) -> None:
    guid = make_image("private").guid
    assert anns.change_visibility(guid, Visibility.PUBLIC).visibility is Visibility.PUBLIC
    assert services.public_images.get_image_by_guid(guid).guid == guid


def test_a_change_is_noted_in_its_time_and_moves_nothing_else(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    before = make_image("private")
    after = anns.change_visibility(before.guid, Visibility.CLASS)
    assert after.updated_at > before.updated_at
    assert after == before.model_copy(
        update={"visibility": Visibility.CLASS, "updated_at": after.updated_at}
    )


def test_a_change_to_the_same_visibility_is_no_error(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    guid = make_image("class").guid
    assert anns.change_visibility(guid, Visibility.CLASS).visibility is Visibility.CLASS


def test_an_unknown_visibility_is_refused(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    with pytest.raises(InvalidInputError):
        anns.change_visibility(make_image().guid, "secret")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", WRITES)
def test_a_write_validates_its_guid(anns: PrivateImageService, method: str) -> None:
    with pytest.raises(InvalidInputError):
        call(anns, method, "1")


def test_a_prompt_is_validated_before_a_place_is_taken(
    anns: PrivateImageService, provider: Provider
) -> None:
    bad = ImageDetailCreate.model_construct(prompt="nul\0", visibility=Visibility.PRIVATE)
    for _ in range(5):
        with pytest.raises(InvalidInputError):
            anns.submit_image(bad)
    assert provider.paid_requests == 0


def test_a_full_house_refuses_one_image_more_at_once(
    anns: PrivateImageService, provider: Provider
) -> None:
    with provider.holding():
        running = [anns.submit_image(ASKED).created for _ in range(2)]
        with pytest.raises(GenerationBusyError):
            anns.submit_image(ASKED)
        with pytest.raises(GenerationBusyError):
            anns.create_image(ASKED)
    assert [future.result(PATIENCE).image.owner for future in running] == ["ann", "ann"]
    assert provider.paid_requests == 2


def test_images_are_read_while_every_place_is_taken(
    anns: PrivateImageService, make_image: Callable[..., Image], provider: Provider
) -> None:
    guid = make_image().guid
    with provider.holding():
        running = [anns.submit_image(ASKED).created for _ in range(2)]
        provider.wait_for_requests(3)
        assert [image.guid for image in anns.get_all_images()] == [guid]
        assert anns.read_image(guid).image.guid == guid
    for future in running:
        future.result(PATIENCE)


def test_a_place_is_free_again_after_a_failed_image(
    anns: PrivateImageService, provider: Provider
) -> None:
    provider.behave(*["server_error"] * 4, "png")
    failures = [anns.submit_image(ASKED).created.exception(PATIENCE) for _ in range(4)]
    assert None not in failures
    assert anns.create_image(ASKED).owner == "ann"
