"""What is left besides: unfinished files, and all of it at the start of a service."""

import os
import threading
from pathlib import Path

import pytest

from pixy_core import (
    Creation,
    Image,
    StorageUnavailableError,
    User,
)
from pixy_service import ImageGenerator, open_services
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider_answers import PNG
from recovery_pieces import PATIENCE, expire, run_twice, status_of, take
from stored_images import stage_image


def test_an_unfinished_file_is_removed_once_nobody_works_on_it(
    claims: Claims,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    creation = take(claims, people[0], None)
    stage_image(stores.content, creation.guid, PNG)
    part = tmp_path / "images" / ".staging" / f"{creation.guid}.part"
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
    run_twice(recovery)
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
