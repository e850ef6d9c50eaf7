"""The keys of objects.

`images/<aa>/<guid>.<extension>`, `reserved/<guid>`, `journal/<guid>.json`, `partial/<guid>`,
`thumbnails/<guid>/<width>.<version>.<extension>`, `quarantine/<name>`, the mark `.store`, `.clock`,
which tells the time of the store, and `.probe`, which shows that it can be written to.
"""

from pixy_core import ContentDamagedError
from pixy_core.images import THUMBNAIL_EXTENSIONS
from pixy_data.content.names import FILENAME, IMAGES, JOURNAL, THUMBNAILS
from pixy_data.content.parts import ThumbnailName

RESERVED = "reserved"
PARTIAL = "partial"
PROBE = ".probe"


def image_key(filename: str) -> str:
    """Return the key of an image.

    Raises:
        ContentDamagedError: It is not the name of an image file.
    """
    if FILENAME.fullmatch(filename) is None:
        raise ContentDamagedError
    return f"{IMAGES}/{filename[:2]}/{filename}"


def entry_key(guid: str) -> str:
    """Return the key of a journal entry."""
    return f"{JOURNAL}/{guid}.json"


def reserved_key(guid: str) -> str:
    """Return the key of what proves that an entry could be written."""
    return f"{RESERVED}/{guid}"


def partial_key(guid: str) -> str:
    """Return the key of a preview."""
    return f"{PARTIAL}/{guid}"


def thumbnail_key(name: ThumbnailName) -> str:
    """Return the key of a thumbnail. Those of one image are in one folder, which can be listed."""
    extension = THUMBNAIL_EXTENSIONS[name.media_type]
    return f"{THUMBNAILS}/{name.guid}/{name.width}.{name.version}.{extension}"
