"""What was bought comes to the row of an image, also by recovery, and to its owner alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import DetailedImage, Image, ImageRequest, Purchase, User
from pixy_data import Database, FileStore
from pixy_service import Credentials, ImageGenerator, PrivateImageService, Services, SketchGenerator
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider import Provider
from provider_answers import PNG, USAGE
from recovery_pieces import LosesDatabase
from stored_images import stage_image

ASKED = ImageRequest(prompt="a lighthouse", visibility="public", size="1536x1024", quality="high")
BOUGHT = Purchase(
    size="1536x1024",
    quality="high",
    reported={"size": "64x48", "quality": "medium", "background": "opaque", "output_format": "png"},
    usage=USAGE,
    upstream_request_id="req_stand_in",
)
OLD_ENTRY = """{
    "version": 1,
    "image": {
        "prompt": "a fox", "visibility": "class", "guid": "%s", "filename": "%s.png",
        "owner": "ann", "media_type": "image/png", "width": 64, "height": 48, "size": %d,
        "sha256": "%s", "generator": "openai", "model": "gpt-image-2.6-flare"
    },
    "owner": "ann", "class_key": "red", "created_at": "2026-11-25T12:30:00.123456Z",
    "idempotency_key": null, "fingerprint": null
}"""
"""As the version before wrote it, which knew no purchases."""


def purchase_of(image: object) -> Purchase | None:
    assert isinstance(image, DetailedImage)
    return image.purchase


def test_the_owner_is_told_what_was_bought(anns: PrivateImageService) -> None:
    created = anns.create_image(ASKED)
    assert purchase_of(created) == BOUGHT
    assert anns.get_details(created.guid) == created
    assert anns.find_replay(ASKED, "key") is None


def test_others_are_not_told_what_was_bought(
    services: Services, people: tuple[User, ...], anns: PrivateImageService
) -> None:
    guid = anns.create_image(ASKED).guid
    for user in people[1:]:
        assert purchase_of(services.private_images(user).get_details(guid)) is None
    assert purchase_of(services.public_images.get_image_by_guid(guid)) is None


def test_no_list_tells_what_was_bought(services: Services, anns: PrivateImageService) -> None:
    anns.create_image(ASKED)
    for service in (anns, services.public_images):
        assert [type(image) for image in service.get_all_images()] == [Image]


def test_a_remembered_password_gets_the_purchase_with_the_details(
    services: Services, anns: PrivateImageService
) -> None:
    services.users.set_password("ann", "correct horse")
    ann = Credentials("ann", "correct horse")
    services.credentials.check(ann)
    viewer = services.credentials.recall_viewer(ann, anns.create_image(ASKED).guid)
    assert viewer is not None
    assert purchase_of(viewer.image) == BOUGHT


def test_the_sketch_buys_nothing(
    tmp_path: Path,
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
) -> None:
    image = open_creator(SketchGenerator()).create(ASKED, people[0]).image
    assert purchase_of(image) is None


class LosesDatabaseAfterwards:
    """Loses its database once the provider has answered."""

    def __init__(self, database: Database, generator: ImageGenerator) -> None:
        self._database = database
        self._generator = generator

    def __getattr__(self, name: str) -> object:
        return getattr(self._generator, name)

    def generate(self, *arguments: object) -> object:
        image = self._generator.generate(*arguments)
        LosesDatabase(self._database).generate(*arguments)
        return image


def test_recovery_tells_what_was_bought(
    open_creator: Callable[..., ImageCreator],
    generator: ImageGenerator,
    stores: ImageStores,
    recovery: Recovery,
    people: tuple[User, ...],
) -> None:
    losing = LosesDatabaseAfterwards(stores.database, generator)
    waiting = open_creator(losing).create(ASKED, people[0]).image
    stores.database.initialised = True
    assert stores.images.find_image(waiting.guid) is None
    recovery.run_once()
    assert purchase_of(stores.images.find_image(waiting.guid)) == BOUGHT


def test_an_entry_of_the_version_before_is_adopted(
    stores: ImageStores, recovery: Recovery, anns: PrivateImageService, tmp_path: Path
) -> None:
    guid = make_detail().guid
    sha256 = stage_image(FileStore(tmp_path / "images"), guid, PNG).sha256
    (tmp_path / "journal").mkdir(exist_ok=True)
    (tmp_path / "journal" / f"{guid}.json").write_text(OLD_ENTRY % (guid, guid, len(PNG), sha256))
    recovery.run_once()
    details = anns.get_details(guid)
    assert purchase_of(details) is None
    assert details.prompt == "a fox"
    assert stores.content.list_kept() == []


@pytest.mark.parametrize("behaviour", ["usage_negative", "usage_text", "usage_missing"])
def test_an_image_with_odd_usage_is_stored(
    provider: Provider, anns: PrivateImageService, behaviour: str
) -> None:
    provider.behave(behaviour)
    guid = anns.create_image(ASKED).guid
    assert anns.read_image(guid).content == PNG
