from collections.abc import Callable

import pytest

from pixy_core import AuthenticationRequiredError, Image, ImageDetailCreate
from pixy_service import ImageServiceInterface, Services
from provider import Provider


def test_the_public_service_is_an_image_service(services: Services) -> None:
    assert isinstance(services.public_images, ImageServiceInterface)


def test_a_stranger_can_t_make_an_image(services: Services, provider: Provider) -> None:
    with pytest.raises(AuthenticationRequiredError):
        services.public_images.create_image(ImageDetailCreate(prompt="a lighthouse"))
    assert provider.paid_requests == 0


def test_a_stranger_is_not_told_whose_a_public_image_is(
    services: Services, make_image: Callable[..., Image]
) -> None:
    guid = make_image("public").guid
    assert services.public_images.get_image_by_guid(guid).owner is None


def test_a_list_for_strangers_does_not_tell_owners(
    services: Services, make_image: Callable[..., Image]
) -> None:
    make_image("public")
    assert services.public_images.get_all_images()[0].owner is None
