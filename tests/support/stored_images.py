"""Puts images into a store directly, in the same way as a create, and looks at their files."""

from pathlib import Path

from pixy_core import Image
from pixy_data import FileStore, Journal, JournalEntry, StoredContent


def stage_image(
    store: FileStore, guid: str, content: bytes, media_type: str = "image/png"
) -> StoredContent:
    """Write an image's bytes to the staging folder, and return the details for its row."""
    stored = store.describe(guid, media_type, content)
    with store.reserve_file(guid, len(content)) as file:
        file.fill(content)
        file.keep()
    return stored


def write_journal(journal: Journal, entry: JournalEntry) -> None:
    """Write an entry to the journal."""
    with journal.reserve(entry.image.guid) as file:
        journal.write(entry, file)
        file.keep()


def content_of(image: Image, data: Path) -> bytes:
    """Return the bytes of an image's file in a data folder."""
    return _locate(image, data).read_bytes()


def damage(image: Image, data: Path) -> None:
    """Replace the bytes of an image's file in a data folder."""
    _locate(image, data).write_bytes(b"x")


def _locate(image: Image, data: Path) -> Path:
    return data / "images" / image.filename[:2] / image.filename
