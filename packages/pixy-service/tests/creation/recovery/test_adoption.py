"""Images without a row: each gets its own, once, unless it was deleted."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    Image,
    ImageDeletedError,
    ImageRequest,
    ImageSource,
    PixyProxyException,
    SourceRole,
    User,
)
from pixy_data import (
    Database,
)
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider_answers import PNG
from recovery_pieces import (
    ASKED,
    PATIENCE,
    ListFiles,
    LosesDatabase,
    criticals,
    status_of,
    take,
    write_entry,
)


def test_an_image_whose_database_is_gone_waits_in_the_journal(
    waiting: Creation, stores: ImageStores, list_files: ListFiles
) -> None:
    assert waiting.status == CreationStatus.PENDING
    assert stores.content.list_kept() == [waiting.guid]
    (file,) = list_files()
    assert file.read_bytes() == PNG


def test_an_image_without_a_row_gets_it(
    waiting: Creation, recovery: Recovery, stores: ImageStores, list_files: ListFiles
) -> None:
    assert stores.images.find_image(waiting.guid) is None
    recovery.run_once()
    image = stores.images.find_image(waiting.guid)
    assert image is not None
    assert stores.content.read(image) == PNG
    assert image.prompt == ASKED.prompt
    assert stores.content.list_kept() == []
    assert status_of(stores, waiting) == CreationStatus.READY
    assert len(list_files()) == 1


def test_an_image_without_a_row_gets_what_it_was_made_from_too(
    image: Image,
    open_creator: Callable[..., ImageCreator],
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
) -> None:
    request = ImageRequest(prompt="the same by night", sources=(image.guid, image.guid))
    waiting = open_creator(LosesDatabase(stores.database)).create(request, people[0]).image
    stores.database.initialised = True
    # as time passes: the row of the source goes, what is known of it stays
    stores.images.delete_image(image.guid, "ann")
    recovery.run_once()
    assert image.sha256 is not None
    source = ImageSource(guid=image.guid, sha256=image.sha256, role=SourceRole.IMAGE)
    assert stores.images.sources.list_sources(waiting.guid) == [source, source]
    found = stores.images.find_image(waiting.guid)
    assert found is not None
    assert found.source_count == 2


def test_an_image_that_was_made_before_its_row_keeps_its_time(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    entry = stores.content.find_kept(waiting.guid)
    recovery.run_once()
    image = stores.images.find_image(waiting.guid)
    assert entry is not None
    assert image is not None
    assert image.created_at == entry.created_at


def test_bytes_that_were_still_staged_are_published(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    filename = f"{waiting.guid}.png"
    staged = stores.content.locate(filename).parent.parent / ".staging" / f"{waiting.guid}.part"
    stores.content.locate(filename).rename(staged)
    recovery.run_once()
    image = stores.images.find_image(waiting.guid)
    assert image is not None
    assert stores.content.read(image) == PNG
    assert not staged.exists()


def test_a_lost_database_is_replaced_from_the_journal(
    waiting: Creation, recovery: Recovery, stores: ImageStores, database: Database
) -> None:
    database.execute("DELETE FROM creations", {})
    recovery.run_once()
    assert stores.images.find_image(waiting.guid) is not None
    keyed = stores.creations.find_keyed_creation("ann", "key")
    assert keyed is not None
    assert (keyed[0].guid, keyed[0].status) == (waiting.guid, CreationStatus.READY)


def test_a_key_that_was_used_again_stays_with_the_request_that_has_it(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    stores.database.execute("DELETE FROM creations", {})
    other = take(Claims(stores), people[0])
    recovery.run_once()
    assert stores.images.find_image(waiting.guid) is not None
    keyed = stores.creations.find_keyed_creation("ann", "key")
    assert keyed is not None
    assert keyed[0].guid == other.guid
    assert [waiting.guid in message for message in criticals(caplog)] == [True]


def test_an_image_that_an_earlier_version_staged_is_recovered(
    waiting: Creation, recovery: Recovery, stores: ImageStores, tmp_path: Path
) -> None:
    filename = f"{waiting.guid}.png"
    staging = tmp_path / "images" / ".staging"
    stores.content.locate(filename).rename(staging / f"{filename}.part")
    entry = tmp_path / "journal" / f"{waiting.guid}.json"
    members = json.loads(entry.read_text())
    del members["idempotency_key"], members["fingerprint"]
    entry.write_text(json.dumps(members))
    recovery.run_once()
    image = stores.images.find_image(waiting.guid)
    assert image is not None
    assert stores.content.read(image) == PNG
    assert list(staging.iterdir()) == []
    assert status_of(stores, waiting) == CreationStatus.READY


def test_an_image_of_a_user_who_changed_class_is_shown_to_the_new_one(
    waiting: Creation,
    people: tuple[User, ...],
    recovery: Recovery,
    stores: ImageStores,
    database: Database,
) -> None:
    database.execute("UPDATE users SET class_key = 'green' WHERE username = 'ann'", {})
    recovery.run_once()
    assert [image.guid for image in stores.images.list_visible_images(people[0], 9)] == [
        waiting.guid
    ]
    assert database.fetch_one("SELECT class_key FROM images", {}) == ("green",)


def test_several_recoveries_at_once_make_one_row(
    waiting: Creation, people: tuple[User, ...], stores: ImageStores, list_files: ListFiles
) -> None:
    start = threading.Barrier(6)
    failures: list[PixyProxyException] = []

    def recover() -> None:
        one = Recovery(stores, Claims(stores), ImageAdopter(stores))
        start.wait(PATIENCE)
        try:
            one.run_once()
        except PixyProxyException as error:
            failures.append(error)

    threads = [threading.Thread(target=recover) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [image.guid for image in stores.images.list_visible_images(people[0], 9)] == [
        waiting.guid
    ]
    assert stores.content.list_kept() == []
    assert len(list_files()) == 1


def test_an_image_whose_entry_is_left_over_is_as_it_was(
    image: Image, recovery: Recovery, stores: ImageStores
) -> None:
    write_entry(stores, image)
    recovery.run_once()
    assert stores.images.find_image(image.guid) == image
    assert stores.content.list_kept() == []


def test_an_image_that_is_deleted_while_its_entry_is_left_over_stays_deleted(
    image: Image,
    delete: Callable[[str], None],
    recovery: Recovery,
    stores: ImageStores,
    list_files: ListFiles,
) -> None:
    entry = write_entry(stores, image)
    delete(image.guid)
    recovery.run_once()
    # whoever had read the entry before goes on with it
    with pytest.raises(ImageDeletedError):
        ImageAdopter(stores).adopt(entry)
    assert stores.images.find_image(image.guid) is None
    assert list_files() == []


def test_an_image_that_was_adopted_and_deleted_meanwhile_does_not_come_back(
    waiting: Creation, delete: Callable[[str], None], recovery: Recovery, stores: ImageStores
) -> None:
    entry = stores.content.find_kept(waiting.guid)
    assert entry is not None
    recovery.run_once()
    delete(waiting.guid)
    with pytest.raises(ImageDeletedError):
        ImageAdopter(stores).adopt(entry)
    assert stores.images.find_image(waiting.guid) is None


def test_an_image_whose_deletion_has_come_as_far_as_its_row_does_not_come_back(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    entry = stores.content.find_kept(waiting.guid)
    assert entry is not None
    recovery.run_once()
    assert stores.images.delete_image(waiting.guid, "ann")
    with pytest.raises(ImageDeletedError):
        ImageAdopter(stores).adopt(entry)
    assert stores.images.find_image(waiting.guid) is None
