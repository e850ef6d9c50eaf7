from collections.abc import Callable

import pytest

from pixy_core import AuthenticationRequiredError, Image, ImageDetailCreate
from pixy_service import ImageServiceInterface, Services
from provider import Provider


def test_the_public_service_is_an_image_service(services: Services) -> None:
    assert isinstance(services.public_images, ImageServiceInterface)


def test_an_image_can_t_be_made_without_credentials(services: Services, provider: Provider) -> None:
    with pytest.raises(AuthenticationRequiredError):
        services.public_images.create_image(ImageDetailCreate(prompt="a lighthouse"))
    assert provider.paid_requests == 0


def test_a_public_image_has_no_owner_without_credentials(
    services: Services, make_image: Callable[..., Image]
) -> None:
    guid = make_image("public").guid
    assert services.public_images.get_image_by_guid(guid).owner is None


def test_a_public_list_has_no_owners(services: Services, make_image: Callable[..., Image]) -> None:
    make_image("public")
    assert services.public_images.get_all_images()[0].owner is None
