"""Images that are put into a store by hand, as a create does it."""

from pixy_data import ContentStore, Journal, JournalEntry, StoredContent


def stage_image(
    store: ContentStore, guid: str, content: bytes, media_type: str = "image/png"
) -> StoredContent:
    """Write an image's bytes to the staging folder, and return what its row says of them."""
    stored = store.describe(guid, media_type, content)
    with store.reserve(guid, len(content)) as file:
        file.fill(content)
        file.keep()
    return stored


def write_journal(journal: Journal, entry: JournalEntry) -> None:
    """Write an entry to the journal."""
    with journal.reserve(entry.image.guid) as file:
        journal.write(entry, file)
        file.keep()
