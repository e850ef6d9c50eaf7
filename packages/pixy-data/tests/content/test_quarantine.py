"""Answers without an image, kept for an operator: whole, private, and never at an image's cost."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pixy_core import StorageUnavailableError
from pixy_data import AnswerNote, FileStore
from pixy_data.content.quarantine import Quarantine

GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
NOTE = AnswerNote(
    guid=GUID,
    owner="anna",
    prompt="a fox 🦊",
    size="auto",
    quality="high",
    created_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    code="provider_sent_no_image",
    billed="yes",
    upstream_request_id="req_1",
    answer_size=4,
)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "quarantine", reserve=0)


def test_an_answer_is_kept_with_what_is_known_of_it(quarantine: Quarantine, tmp_path: Path) -> None:
    path = quarantine.keep(NOTE, b"\0\xff{}")
    assert path == tmp_path / "quarantine" / f"{GUID}.answer"
    assert path.read_bytes() == b"\0\xff{}"
    note = json.loads((tmp_path / "quarantine" / f"{GUID}.json").read_bytes())
    assert AnswerNote.model_validate(note) == NOTE
    assert note["prompt"] == "a fox 🦊"


def test_only_its_own_user_can_read_it(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.keep(NOTE, b"junk")
    folder = tmp_path / "quarantine"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_end_of_an_answer_without_an_end_is_not_kept(quarantine: Quarantine) -> None:
    most = 96 * 1024 * 1024
    assert quarantine.keep(NOTE, bytes(most + 1)).stat().st_size == most


def test_it_does_not_take_the_room_that_is_kept_for_images(tmp_path: Path) -> None:
    # more than is free once the answer is written, whatever else goes on meanwhile
    reserve = shutil.disk_usage(tmp_path).free * 2
    with pytest.raises(StorageUnavailableError):
        Quarantine(tmp_path / "quarantine", reserve=reserve).keep(NOTE, b"junk")
    assert list(tmp_path.iterdir()) == []


def test_it_leaves_room_for_the_next_image(tmp_path: Path) -> None:
    # images may take a quarter of what is free, and answers nothing
    content = FileStore(tmp_path / "images", reserve=shutil.disk_usage(tmp_path).free * 3 // 4)
    with content.reserve_file(GUID, 1000):
        pass
    with pytest.raises(StorageUnavailableError):
        content.quarantine.keep(NOTE, b"junk")


def test_what_can_t_be_written_leaves_nothing(quarantine: Quarantine, tmp_path: Path) -> None:
    (tmp_path / "quarantine").write_bytes(b"")
    with pytest.raises(StorageUnavailableError):
        quarantine.keep(NOTE, b"junk")
    assert [path.name for path in tmp_path.iterdir()] == ["quarantine"]


def test_that_of_a_store_is_beside_its_images(tmp_path: Path) -> None:
    path = FileStore(tmp_path / "images", reserve=0).quarantine.keep(NOTE, b"junk")
    assert path.parent == tmp_path / "quarantine"
