"""The journal: what was written is read, and what can't be read stays."""

import json
import logging
import os
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from image_samples import make_detail
from pixy_core import ImageDetail, Purchase, StorageUnavailableError
from pixy_core.images import MAX_PROMPT_LENGTH
from pixy_core.users import MAX_NAME_LENGTH
from pixy_data import Journal, JournalEntry
from stored_images import write_journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Journal:
    return Journal(folder)


@pytest.fixture
def entry() -> JournalEntry:
    return JournalEntry(
        image=make_detail(prompt="a fox 🦊\r\nby night"),
        owner="anna",
        class_key="red",
        created_at=datetime(2026, 11, 25, 12, 30, 0, 123456, tzinfo=UTC),
    )


def test_what_was_written_is_read(journal: Journal, entry: JournalEntry) -> None:
    write_journal(journal, entry)
    assert journal.has(entry.image.guid)
    assert journal.list_guids() == [entry.image.guid]
    assert journal.find(entry.image.guid) == entry


def test_an_entry_without_sources_is_one_of_an_image_without_any(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    write_journal(journal, entry)
    path = folder / f"{entry.image.guid}.json"
    members = json.loads(path.read_text())
    # as earlier versions of PixyProxy wrote it
    del members["sources"]
    path.write_text(json.dumps(members))
    assert journal.find(entry.image.guid) == entry
    assert entry.sources == ()


def test_what_was_removed_is_gone(journal: Journal, entry: JournalEntry) -> None:
    write_journal(journal, entry)
    journal.remove(entry.image.guid)
    journal.remove(entry.image.guid)
    assert not journal.has(entry.image.guid)
    assert journal.list_guids() == []
    assert journal.find(entry.image.guid) is None


def test_a_journal_that_was_never_written_is_empty(journal: Journal, folder: Path) -> None:
    assert journal.list_guids() == []
    assert not journal.has(str(uuid.uuid4()))
    assert not folder.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff", b'{"version": 2}'])
def test_an_entry_that_can_t_be_read_is_logged_and_kept(
    journal: Journal,
    entry: JournalEntry,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes,
) -> None:
    write_journal(journal, entry)
    guid = entry.image.guid
    (folder / f"{guid}.json").write_bytes(content)
    assert journal.find(guid) is None
    assert journal.list_guids() == [guid]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert guid in record.getMessage()


def test_an_entry_that_is_a_fifo_is_not_waited_for(journal: Journal, folder: Path) -> None:
    guid = str(uuid.uuid4())
    folder.mkdir()
    os.mkfifo(folder / f"{guid}.json")
    reading = threading.Thread(target=journal.find, args=(guid,), daemon=True)
    reading.start()
    reading.join(10)
    assert not reading.is_alive()
    assert journal.has(guid)


def test_an_entry_under_another_s_name_is_none(
    journal: Journal, entry: JournalEntry, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_journal(journal, entry)
    other = str(uuid.uuid4())
    (folder / f"{entry.image.guid}.json").rename(folder / f"{other}.json")
    assert journal.find(other) is None
    assert [other in record.getMessage() for record in caplog.records] == [True]


def test_the_longest_entry_fits_into_its_reservation(journal: Journal, folder: Path) -> None:
    # in JSON an escape character takes six bytes, the most of all
    image = make_detail(prompt="\x1b" * (MAX_PROMPT_LENGTH - 1) + "x")
    longest = JournalEntry(
        image=image,
        owner="🦊" * MAX_NAME_LENGTH,
        class_key="🦊" * MAX_NAME_LENGTH,
        created_at=datetime.now(UTC),
        idempotency_key="k" * 255,
        fingerprint="f" * 64,
    )
    with journal.reserve(image.guid):
        (file,) = folder.iterdir()
        assert file.stat().st_blocks * 512 >= len(longest.model_dump_json().encode())


def test_other_files_are_no_entries(journal: Journal, entry: JournalEntry, folder: Path) -> None:
    write_journal(journal, entry)
    for name in ("README", f"{uuid.uuid4()}.json.0a1b2c3d.part", f"{uuid.uuid4()}.json.bak"):
        (folder / name).write_bytes(b"{}")
    assert journal.list_guids() == [entry.image.guid]


def test_a_folder_that_can_t_be_made_refuses_before_anything_is_paid(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    folder.write_bytes(b"")
    with pytest.raises(StorageUnavailableError):
        write_journal(journal, entry)


def test_a_reservation_that_is_not_used_leaves_nothing(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    with journal.reserve(entry.image.guid):
        assert journal.list_guids() == []
        assert len(list(folder.iterdir())) == 1
    assert list(folder.iterdir()) == []


def test_writing_again_leaves_one_entry(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    with journal.reserve(entry.image.guid) as file:
        journal.write(entry, file)
        journal.write(entry, file)
        file.keep()
    assert journal.find(entry.image.guid) == entry
    assert len(list(folder.iterdir())) == 1


def test_an_entry_that_is_given_up_is_removed(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    with journal.reserve(entry.image.guid) as file:
        journal.write(entry, file)
    assert list(folder.iterdir()) == []


OLD_ENTRY = """{
    "version": 1,
    "image": {
        "prompt": "a fox", "visibility": "class",
        "guid": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11",
        "filename": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.png", "owner": "anna",
        "media_type": "image/png", "width": 64, "height": 48, "size": 179,
        "sha256": "5555555555555555555555555555555555555555555555555555555555555555",
        "generator": "openai", "model": "gpt-image-2.6-flare"
    },
    "owner": "anna", "class_key": "red", "created_at": "2026-11-25T12:30:00.123456Z",
    "idempotency_key": "key", "fingerprint": "00"
}"""
"""As the version before wrote it, which knew no purchases."""


class OldEntry(BaseModel):
    """How the version before reads an entry."""

    version: Literal[1] = 1
    image: ImageDetail
    owner: str
    class_key: str
    created_at: datetime
    idempotency_key: str | None = None
    fingerprint: str | None = None


def test_an_entry_without_a_purchase_is_read(journal: Journal, folder: Path) -> None:
    old = OldEntry.model_validate_json(OLD_ENTRY)
    folder.mkdir()
    (folder / f"{old.image.guid}.json").write_text(OLD_ENTRY)
    entry = journal.find(old.image.guid)
    assert entry is not None
    assert entry.purchase is None
    assert entry.model_dump(include=set(OldEntry.model_fields)) == old.model_dump()


def test_the_version_before_reads_an_entry_with_a_purchase(entry: JournalEntry) -> None:
    bought = entry.model_copy(update={"purchase": Purchase(usage={"total_tokens": 208})})
    old = OldEntry.model_validate_json(bought.model_dump_json())
    assert old.model_dump() == entry.model_dump(include=set(OldEntry.model_fields))


def test_what_was_bought_is_written_and_read(journal: Journal, entry: JournalEntry) -> None:
    purchase = Purchase(size="auto", usage={"n": [1, 1.5, None, "é"]}, reported={"size": "1x1"})
    bought = entry.model_copy(update={"purchase": purchase})
    write_journal(journal, bought)
    assert journal.find(entry.image.guid) == bought


def test_an_entry_of_an_earlier_version_is_read(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    folder.mkdir()
    text = entry.model_dump_json(exclude={"idempotency_key", "fingerprint"})
    (folder / f"{entry.image.guid}.json").write_text(text)
    assert journal.find(entry.image.guid) == entry


def test_a_writable_folder_is_made_for_its_owner_alone(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    write_journal(journal, entry)
    modes = [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


def test_what_was_never_finished_is_a_leftover_once_it_is_old(
    journal: Journal, entry: JournalEntry, folder: Path
) -> None:
    write_journal(journal, entry)
    guid = str(uuid.uuid4())
    unfinished = folder / f"{guid}.json.0a1b2c3d.part"
    unfinished.write_bytes(b"{")
    (folder / "notes.part").write_bytes(b"")
    assert journal.leftovers.list_older(3600) == []
    hour_ago = datetime.now(UTC).timestamp() - 3600
    os.utime(unfinished, (hour_ago, hour_ago))
    os.utime(folder / "notes.part", (hour_ago, hour_ago))
    assert journal.leftovers.list_older(3599) == [(guid, unfinished.name)]
    unfinished.touch()
    assert not journal.leftovers.remove_older(unfinished.name, 3599)
    os.utime(unfinished, (hour_ago, hour_ago))
    assert journal.leftovers.remove_older(unfinished.name, 3599)
    assert not journal.leftovers.remove_older(unfinished.name, 3599)
    assert not unfinished.exists()
    assert journal.has(entry.image.guid)


def test_a_disk_that_does_not_tell_is_not_an_absent_entry(tmp_path: Path) -> None:
    # a file where the folder was
    (tmp_path / "journal").write_bytes(b"")
    with pytest.raises(StorageUnavailableError):
        Journal(tmp_path / "journal").has("00000000-0000-4000-8000-000000000000")
