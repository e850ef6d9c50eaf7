"""What a process left behind: finished, forgotten or declared unknown, and never done twice."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    DBConnectionError,
    GenerationError,
    Image,
    ImageDeletedError,
    ImageDetailCreate,
    PixyProxyException,
    PromptRejectedError,
    StorageUnavailableError,
    StoreMismatchError,
    User,
)
from pixy_data import (
    ContentStore,
    Database,
    JournalEntry,
    StoreMarker,
    ThumbnailStore,
    UserRepository,
    open_database,
)
from pixy_service import GeneratedImage, ImageGenerator, open_services
from pixy_service.adoption import ImageAdopter
from pixy_service.claims import Claims
from pixy_service.creation import ImageCreator
from pixy_service.deletion import ImageRemover
from pixy_service.generators.sketch import SketchGenerator
from pixy_service.recovery import Recovery
from pixy_service.stores import ImageStores
from pixy_service.thumbnails import Thumbnails
from provider import Provider
from provider_answers import PNG

ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 30
ListFiles = Callable[[], list[Path]]


class LosesDatabase:
    """Loses its database while it draws, or instead of drawing."""

    name = "sketch"

    def __init__(self, database: Database, failure: GenerationError | None = None) -> None:
        self._database = database
        self._failure = failure

    def generate(self, prompt: str, *, user: str, **options: object) -> GeneratedImage:
        del prompt, user, options
        # as before it was first reached: statements fail until it is there again
        self._database.initialised = False
        if self._failure is not None:
            raise self._failure
        return GeneratedImage(PNG, "image/png", 64, 48, "sketch", "sketch-1")

    def close(self) -> None:
        """Do nothing."""


# without services, which recover by themselves
@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture
def people(database: Database) -> tuple[User, ...]:
    users = UserRepository(database)
    return (users.insert_user(User(username="ann", password="-", class_key="red")),)


@pytest.fixture
def delete(stores: ImageStores, people: tuple[User, ...], tmp_path: Path) -> Callable[[str], None]:
    """Return a function that deletes an image of Ann's."""
    thumbnails = Thumbnails(stores.content, ThumbnailStore(tmp_path / "thumbnails"))
    return lambda guid: ImageRemover(stores, thumbnails).delete(guid, people[0])


@pytest.fixture
def image(open_creator: Callable[..., ImageCreator], people: tuple[User, ...]) -> Image:
    image = open_creator().create(ASKED, people[0]).image
    assert isinstance(image, Image)
    return image


@pytest.fixture
def waiting(
    open_creator: Callable[..., ImageCreator], database: Database, people: tuple[User, ...]
) -> Creation:
    """Return the creation of an image that is safe and has no row, its database back again."""
    creation = open_creator(LosesDatabase(database)).create(ASKED, people[0], "key").image
    database.initialised = True
    assert isinstance(creation, Creation)
    return creation


def expire(database: Database) -> None:
    database.execute("UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'", {})


def status_of(stores: ImageStores, creation: Creation) -> CreationStatus | None:
    found = stores.creations.find_creation(creation.guid, "ann")
    return None if found is None else found.status


def criticals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]


def test_an_image_whose_database_is_gone_waits_in_the_journal(
    waiting: Creation, stores: ImageStores, list_files: ListFiles
) -> None:
    assert waiting.status == CreationStatus.PENDING
    assert stores.journal.list_guids() == [waiting.guid]
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
    assert stores.journal.list_guids() == []
    assert status_of(stores, waiting) == CreationStatus.READY
    assert len(list_files()) == 1


def test_an_image_that_was_made_before_its_row_keeps_its_time(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    entry = stores.journal.find(waiting.guid)
    recovery.run_once()
    image = stores.images.find_image(waiting.guid)
    assert entry is not None
    assert image is not None
    assert image.created_at == entry.created_at


def test_bytes_that_were_still_staged_are_published(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    filename = f"{waiting.guid}.png"
    staged = stores.content.locate(filename).parent.parent / ".staging" / f"{filename}.part"
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


def test_an_image_of_a_user_who_changed_class_is_shown_to_the_new_one(
    waiting: Creation, recovery: Recovery, stores: ImageStores, database: Database
) -> None:
    database.execute("UPDATE users SET class_key = 'green' WHERE username = 'ann'", {})
    recovery.run_once()
    assert [image.guid for image in stores.images.list_owned_images("ann", 9)] == [waiting.guid]
    assert database.fetch_one("SELECT class_key FROM images", {}) == ("green",)


def test_several_recoveries_at_once_make_one_row(
    waiting: Creation, stores: ImageStores, list_files: ListFiles
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
    assert [image.guid for image in stores.images.list_owned_images("ann", 9)] == [waiting.guid]
    assert stores.journal.list_guids() == []
    assert len(list_files()) == 1


def test_an_image_whose_entry_is_left_over_is_as_it_was(
    image: Image, recovery: Recovery, stores: ImageStores
) -> None:
    write_entry(stores, image)
    recovery.run_once()
    assert stores.images.find_image(image.guid) == image
    assert stores.journal.list_guids() == []


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
    entry = stores.journal.find(waiting.guid)
    assert entry is not None
    recovery.run_once()
    delete(waiting.guid)
    with pytest.raises(ImageDeletedError):
        ImageAdopter(stores).adopt(entry)
    assert stores.images.find_image(waiting.guid) is None


def test_an_image_whose_deletion_has_come_as_far_as_its_row_does_not_come_back(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    entry = stores.journal.find(waiting.guid)
    assert entry is not None
    recovery.run_once()
    assert stores.images.delete_image(waiting.guid, "ann")
    with pytest.raises(ImageDeletedError):
        ImageAdopter(stores).adopt(entry)
    assert stores.images.find_image(waiting.guid) is None


def write_entry(stores: ImageStores, image: Image) -> JournalEntry:
    entry = JournalEntry(image=image, owner="ann", class_key="red", created_at=image.created_at)
    stores.journal.write(entry)
    return entry


def test_an_entry_whose_bytes_are_damaged_is_kept_and_said_once(
    waiting: Creation, recovery: Recovery, stores: ImageStores, caplog: pytest.LogCaptureFixture
) -> None:
    stores.content.locate(f"{waiting.guid}.png").write_bytes(PNG[:-1] + b"x")
    for _ in range(3):
        recovery.run_once()
    assert stores.journal.list_guids() == [waiting.guid]
    assert stores.images.find_image(waiting.guid) is None
    assert [waiting.guid in message for message in criticals(caplog)] == [True]
    failed = stores.creations.find_creation(waiting.guid, "ann")
    assert failed is not None
    assert failed.problem is not None
    assert (failed.status, failed.problem.billed) == (CreationStatus.FAILED, "yes")


def test_an_image_whose_entry_was_mended_is_recovered_at_the_next_start(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    file = stores.content.locate(f"{waiting.guid}.png")
    file.write_bytes(b"")
    recovery.run_once()
    file.write_bytes(PNG)
    Recovery(stores, Claims(stores), ImageAdopter(stores)).run_once()
    assert status_of(stores, waiting) == CreationStatus.READY
    assert stores.images.find_image(waiting.guid) is not None


def test_an_entry_that_can_t_be_read_is_kept_said_once_and_holds_up_no_other(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = tmp_path / "journal" / "00000000-0000-4000-8000-000000000000.json"
    broken.write_bytes(b"{")
    for _ in range(3):
        recovery.run_once()
    assert stores.images.find_image(waiting.guid) is not None
    assert broken.exists()
    assert sum(broken.stem in record.getMessage() for record in caplog.records) == 1


def make_unreadable(entry: Path) -> Path:
    """Move an entry away, and have in its place what not even root can read."""
    moved = entry.rename(entry.parent.with_name("entry.json"))
    entry.mkdir()
    return moved


def test_an_entry_that_the_disk_won_t_give_is_said_once_and_tried_again(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = tmp_path / "journal" / f"{waiting.guid}.json"
    moved = make_unreadable(entry)
    expire(stores.database)
    for _ in range(3):
        recovery.run_once()
    assert status_of(stores, waiting) == CreationStatus.PENDING
    assert [waiting.guid in message for message in criticals(caplog)] == [True]
    entry.rmdir()
    moved.rename(entry)
    recovery.run_once()
    assert stores.images.find_image(waiting.guid) is not None


def test_an_entry_that_the_disk_won_t_give_holds_up_no_claim(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    make_unreadable(tmp_path / "journal" / f"{waiting.guid}.json")
    dead = take(Claims(stores), people[0], "another")
    expire(stores.database)
    run_twice(recovery)
    assert status_of(stores, dead) is None


def test_a_folder_of_another_database_is_left_alone(
    waiting: Creation, stores: ImageStores, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "images" / ".store").write_text("0" * 64 + "\n")
    marker = StoreMarker(database, tmp_path / "images")
    marked = replace(stores, content=ContentStore(tmp_path / "images", marker=marker))
    filename = f"{waiting.guid}.png"
    part = tmp_path / "images" / ".staging" / f"{filename}.part"
    stores.content.locate(filename).rename(part)
    with pytest.raises(StoreMismatchError):
        Recovery(marked, Claims(marked), ImageAdopter(marked)).run_once()
    assert stores.journal.list_guids() == [waiting.guid]
    assert part.exists()


class LosesVolume(SketchGenerator):
    """Loses the volume of the images while it draws: what is left is an empty folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def generate(self, prompt: str, **options: Any) -> GeneratedImage:
        self._folder.rename(self._folder.with_name("volume"))
        self._folder.mkdir()
        return super().generate(prompt, **options)


def test_bytes_on_a_volume_that_is_not_the_images_wait_to_be_carried_over(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    folder, volume = tmp_path / "images", tmp_path / "volume"
    folder.mkdir()
    marked = replace(
        stores, content=ContentStore(folder, marker=StoreMarker(stores.database, folder))
    )
    creator = open_creator(LosesVolume(folder), content=marked.content)
    creation = creator.create(ASKED, people[0]).image
    assert isinstance(creation, Creation)
    assert stores.images.find_image(creation.guid) is None
    (part,) = folder.rglob("*.part")
    (volume / ".staging").mkdir()
    part.rename(volume / ".staging" / part.name)
    folder.rename(tmp_path / "wrong")
    volume.rename(folder)
    Recovery(marked, Claims(marked), ImageAdopter(marked)).run_once()
    assert stores.images.find_image(creation.guid) is not None


def take(claims: Claims, user: User, key: str | None = "key") -> Creation:
    return claims.take(ASKED, user, key).creation


def run_twice(recovery: Recovery) -> None:
    """Let it see that all is calm, and then expire what has expired."""
    recovery.run_once()
    recovery.run_once()


def test_a_claim_whose_process_died_before_it_asked_is_removed(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    run_twice(recovery)
    assert status_of(stores, creation) == CreationStatus.PENDING
    expire(stores.database)
    recovery.run_once()
    assert status_of(stores, creation) is None
    assert take(claims, people[0]).guid != creation.guid


def test_a_claim_whose_process_died_while_the_provider_worked_is_unknown(
    claims: Claims,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    claims.end(creation.guid)
    expire(stores.database)
    for _ in range(4):
        recovery.run_once()
    found = stores.creations.find_creation(creation.guid, "ann")
    assert found is not None
    assert found.problem is not None
    assert (found.status, found.problem.billed) == (CreationStatus.UNKNOWN, "unknown")
    assert [creation.guid in message for message in criticals(caplog)] == [True]


def test_a_claim_of_this_process_keeps_its_lease(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    for _ in range(3):
        expire(stores.database)
        recovery.run_once()
    assert status_of(stores, creation) == CreationStatus.PENDING
    assert stores.claims.list_expired() == []


class ExpiresMeanwhile(Claims):
    """Takes longer than a lease over what it does between extending leases and looking at them."""

    def settle(self) -> None:
        super().settle()
        expire(self._stores.database)


def test_a_claim_of_this_process_is_not_given_up_when_a_pass_outlasts_its_lease(
    stores: ImageStores, people: tuple[User, ...]
) -> None:
    claims = ExpiresMeanwhile(stores)
    asked, fresh = take(claims, people[0], "asked"), take(claims, people[0], "fresh")
    claims.mark_asked(asked.guid)
    run_twice(Recovery(stores, claims, ImageAdopter(stores)))
    assert status_of(stores, asked) == status_of(stores, fresh) == CreationStatus.PENDING
    assert stores.claims.list_expired() == []


def test_after_an_outage_the_living_extend_their_leases_first(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    recovery.run_once()
    stores.database.initialised = False
    with pytest.raises(DBConnectionError):
        recovery.run_once()
    stores.database.initialised = True
    expire(stores.database)
    recovery.run_once()
    assert status_of(stores, creation) == CreationStatus.PENDING
    recovery.run_once()
    assert status_of(stores, creation) is None


def test_a_claim_that_was_given_up_too_early_still_becomes_its_image(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    provider: Provider,
) -> None:
    created: list[object] = []
    other = Recovery(stores, Claims(stores), ImageAdopter(stores))
    run_twice(other)
    with provider.holding():
        making = threading.Thread(
            target=lambda: created.append(open_creator().create(ASKED, people[0], "key").image)
        )
        making.start()
        provider.wait_for_requests(1)
        expire(stores.database)
        other.run_once()
        (unknown,) = stores.creations.list_creations("ann", CreationStatus.UNKNOWN, 9)
    making.join(PATIENCE)
    assert created == [stores.images.find_image(unknown.guid)]
    assert status_of(stores, unknown) == CreationStatus.READY


def test_a_claim_that_was_removed_too_early_asks_no_provider(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    run_twice(recovery)
    expire(stores.database)
    recovery.run_once()
    # the process was only asleep, and another has run the request meanwhile
    take(claims, people[0])
    with pytest.raises(Exception, match="busy"):
        claims.mark_asked(creation.guid)


def test_what_became_of_a_claim_is_told_once_the_database_is_back(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    recovery: Recovery,
    people: tuple[User, ...],
) -> None:
    creator = open_creator(LosesDatabase(stores.database, PromptRejectedError()))
    with pytest.raises(PromptRejectedError):
        creator.create(ASKED, people[0])
    stores.database.initialised = True
    expire(stores.database)
    run_twice(recovery)
    (failed,) = stores.creations.list_creations("ann", CreationStatus.FAILED, 9)
    assert failed.problem is not None
    assert failed.problem.code == "prompt_rejected"


def test_what_failed_is_forgotten_after_its_time(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    recovery: Recovery,
    people: tuple[User, ...],
    provider: Provider,
) -> None:
    provider.behave("moderation_blocked")
    with pytest.raises(PromptRejectedError):
        open_creator().create(ASKED, people[0])
    run_twice(recovery)
    assert len(stores.creations.list_creations("ann", CreationStatus.FAILED, 9)) == 1
    expire(stores.database)
    recovery.run_once()
    assert stores.creations.list_creations("ann", CreationStatus.FAILED, 9) == []


def test_an_unfinished_file_is_removed_once_nobody_works_on_it(
    claims: Claims,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    creation = take(claims, people[0], None)
    stores.content.stage(creation.guid, "image/png", PNG)
    part = tmp_path / "images" / ".staging" / f"{creation.guid}.png.part"
    entry = tmp_path / "journal" / f"{creation.guid}.json.0a1b2c3d.part"
    entry.parent.mkdir(exist_ok=True)
    entry.write_bytes(b"{")
    run_twice(recovery)
    for file in (part, entry):
        os.utime(file, (0, 0))
    recovery.run_once()
    assert part.exists()
    assert entry.exists()
    claims.end(creation.guid)
    expire(stores.database)
    recovery.run_once()
    assert not part.exists()
    assert not entry.exists()


def test_an_unfinished_file_that_can_t_be_removed_keeps_no_claim_alive(
    claims: Claims,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    expire(stores.database)
    # a folder can't be unlinked
    part = tmp_path / "images" / ".staging" / "00000000-0000-4000-8000-000000000000.png.part"
    part.mkdir(parents=True)
    os.utime(part, (0, 0))
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            recovery.run_once()
    assert status_of(stores, creation) is None


@pytest.fixture
def marked(tmp_path: Path, database_url: str, generator: ImageGenerator) -> None:
    """Make folder and database know each other, as a first start does."""
    open_services(database_url=database_url, data_dir=tmp_path, generator=generator).close()


def test_a_service_recovers_when_it_starts(
    marked: None, waiting: Creation, tmp_path: Path, database_url: str, generator: ImageGenerator
) -> None:
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=generator
    ) as services:
        ann = services.users.authenticate_user("ann")
        images = services.private_images(ann)
        for _ in range(PATIENCE * 50):
            if isinstance(images.get_details(waiting.guid), Image):
                break
            threading.Event().wait(0.02)
        assert images.read_image(waiting.guid).content == PNG
