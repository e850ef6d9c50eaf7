"""Partial images while an image is made: shown to its owner, and never in its way."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from pixy_core import (
    GenerationUnknownError,
    Image,
    ImageDetailCreate,
    PromptRejectedError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_data import Database, PartialImage, PartialImageStore
from pixy_data.content.files.partial_images import PartialImageFiles
from pixy_service import ImageGenerator, OpenAIGenerator, PrivateImageService, Services
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import Created
from pixy_service.creation.partial_images import PartialImageKeeper
from pixy_service.creation.recovery import Recovery
from provider import Provider
from provider_answers import JPEG, PNG, WEBP
from provider_events import PARTIALS

ASKED = ImageDetailCreate(prompt="a lighthouse", visibility=Visibility.PUBLIC)
GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
PATIENCE = 30
LATEST = PartialImage(PARTIALS[1], "image/png")


@pytest.fixture
def generator(provider: Provider) -> ImageGenerator:
    return OpenAIGenerator(
        "sk-secret-of-the-server",
        base_url=provider.base_url,
        model="gpt-image-2.6-flare",
        timeout=30,
        partial_images=2,
    )


@pytest.fixture
def finish(provider: Provider) -> Iterator[Callable[[], None]]:
    """Let the provider send partial images only, until the function is called."""
    with provider.unfinished():
        yield provider.finish


@pytest.fixture
def store(tmp_path: Path) -> PartialImageStore:
    return PartialImageFiles(tmp_path / "unfinished", reserve=0)


class Hangs(PartialImageFiles):
    """Writes when it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, reserve=0)
        self.begun, self.going_on = threading.Event(), threading.Event()
        self.written: list[bytes] = []

    def write(self, guid: str, picture: PartialImage) -> None:
        self.begun.set()
        self.going_on.wait(PATIENCE)
        super().write(guid, picture)
        self.written.append(picture.content)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return when it is so, and fail if it takes longer than anything here may."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def list_parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.partial.*"))


def begin(images: PrivateImageService) -> tuple[str, Future[Created]]:
    """Return the guid of an image in the making, all of whose partial images are there."""
    submission = images.submit_image(ASKED)
    guid = submission.asked.result(PATIENCE).guid
    wait_until(lambda: images.partials.find(guid) == LATEST)
    return guid, submission.created


def test_the_latest_partial_image_is_kept_until_the_image_is_there(
    anns: PrivateImageService, finish: Callable[[], None], tmp_path: Path
) -> None:
    guid, created = begin(anns)
    assert anns.partials.has(anns.get_details(guid))
    assert list_parts(tmp_path) == [f"{guid}.partial.png.part"]
    assert anns.get_all_images() == []
    finish()
    image = created.result(PATIENCE).image
    assert isinstance(image, Image)
    assert anns.read_image(guid).content == PNG
    assert anns.partials.find(guid) == image
    assert not anns.partials.has(image)
    assert list_parts(tmp_path) == []


def test_only_the_owner_sees_partial_images(
    services: Services, people: tuple[User, ...], finish: Callable[[], None]
) -> None:
    ann, *others = map(services.private_images, people)
    guid, created = begin(ann)
    for other in others:
        with pytest.raises(RecordNotFoundError):
            other.partials.find(guid)
    finish()
    created.result(PATIENCE)
    assert others[0].partials.find(guid) == others[0].get_image_by_guid(guid)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("events_moderation_blocked", PromptRejectedError),
        ("events_cut", GenerationUnknownError),
    ],
)
def test_a_failed_creation_leaves_no_partial_image(
    anns: PrivateImageService,
    provider: Provider,
    tmp_path: Path,
    behaviour: str,
    error: type[Exception],
) -> None:
    provider.behave(behaviour)
    with provider.unfinished():
        guid, created = begin(anns)
    assert isinstance(created.exception(PATIENCE), error)
    assert list_parts(tmp_path) == []
    # what can't be removed is not shown either
    PartialImageFiles(tmp_path / "images" / ".staging").write(guid, LATEST)
    assert anns.partials.find(guid) is None
    assert not anns.partials.has(anns.get_details(guid))


def test_recovery_removes_partial_images_after_a_crash(
    claims: Claims,
    recovery: Recovery,
    database: Database,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    creation = claims.take(str(uuid.uuid4()), ASKED, people[0], None).creation
    claims.mark_asked(creation.guid)
    store = PartialImageFiles(tmp_path / "images" / ".staging", reserve=0)
    store.write(creation.guid, LATEST)
    (name,) = list_parts(tmp_path)
    os.utime(tmp_path / "images" / ".staging" / name, (0, 0))
    recovery.run_once()
    assert list_parts(tmp_path) == [name]
    claims.end(creation.guid)
    database.execute("UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'", {})
    recovery.run_once()
    recovery.run_once()
    assert list_parts(tmp_path) == []


def test_bytes_that_are_not_an_image_are_not_kept(store: PartialImageStore) -> None:
    with PartialImageKeeper(store, GUID) as keeper:
        keeper.take(PARTIALS[0])
        wait_until(lambda: store.has(GUID))
        keeper.take(b"no picture")
        wait_until(lambda: not is_at_work())
        assert store.find(GUID) == PartialImage(PARTIALS[0], "image/png")


@pytest.mark.parametrize(
    ("content", "media_type"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")]
)
def test_a_partial_image_has_the_type_of_its_bytes(
    store: PartialImageStore, content: bytes, media_type: str
) -> None:
    with PartialImageKeeper(store, GUID) as keeper:
        keeper.take(content)
        wait_until(lambda: store.has(GUID))
        assert store.find(GUID) == PartialImage(content, media_type)


def is_at_work() -> bool:
    return any(thread.name == "pixy-partial" for thread in threading.enumerate())


def test_a_disk_that_hangs_delays_nothing_and_keeps_nothing_in_the_end(tmp_path: Path) -> None:
    store = Hangs(tmp_path)
    with PartialImageKeeper(store, GUID) as keeper:
        keeper.take(PARTIALS[0])
        keeper.take(PARTIALS[1])
        assert store.begun.wait(PATIENCE)
    assert store.written == []
    store.going_on.set()
    wait_until(lambda: not is_at_work())
    assert len(store.written) == 1
    assert list_parts(tmp_path) == []


def test_only_the_latest_waiting_partial_image_is_kept(tmp_path: Path) -> None:
    store = Hangs(tmp_path)
    with PartialImageKeeper(store, GUID) as keeper:
        keeper.take(PARTIALS[0])
        assert store.begun.wait(PATIENCE)
        keeper.take(PARTIALS[1])
        keeper.take(PARTIALS[2])
        store.going_on.set()
        wait_until(lambda: not is_at_work())
        assert store.written == [PARTIALS[0], PARTIALS[2]]
        assert store.find(GUID) == PartialImage(PARTIALS[2], "image/png")
    assert store.find(GUID) is None


def test_without_partial_images_nothing_is_written_or_removed(
    store: PartialImageStore, tmp_path: Path
) -> None:
    store.write(GUID, LATEST)
    with PartialImageKeeper(store, GUID):
        pass
    assert store.has(GUID)
