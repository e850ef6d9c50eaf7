"""Opens the content store that the settings name: files, or objects."""

import re
from collections.abc import Callable
from pathlib import Path

from pixy_core import ConfigurationError
from pixy_data.content.files.mark import FolderMark
from pixy_data.content.files.store import FileStore
from pixy_data.content.interface import ContentStore
from pixy_data.content.marker import MarkPlace, StoreMarker
from pixy_data.content.names import IMAGES
from pixy_data.database.database import Database

BUCKET_FORMS = "s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
"""How the URL of a bucket looks, for messages."""

# obstore would resolve dots, decode % and ignore a user name: two URLs would be one place
_NAME = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+"
_BUCKET = re.compile(f"(?:s3|gs|az)://{_NAME}(?:/{_NAME})*/?")


def is_bucket_url(url: str) -> bool:
    """Return whether a URL has a form of BUCKET_FORMS; nothing connects."""
    return _BUCKET.fullmatch(url) is not None


def open_content(database: Database, data_dir: Path, url: str | None = None) -> ContentStore:
    """Return a content store; nothing connects.

    Args:
        database: The database to which it belongs.
        data_dir: The data folder. With objects it has only uploads on their way.
        url: `s3://bucket/prefix`, `gs://…` or `az://…`; None for files in the data folder.

    Raises:
        ConfigurationError: The URL can't be used, or the library for objects is not installed.
    """
    mark, build = _find_place(data_dir, url)
    return build(StoreMarker(database, mark))


def open_copy_target(
    database: Database, data_dir: Path, url: str | None = None
) -> tuple[ContentStore, StoreMarker]:
    """Return a store to copy images to, which checks nothing, and what reads and writes its mark.

    Arguments and errors are those of `open_content`.
    """
    mark, build = _find_place(data_dir, url)
    return build(None), StoreMarker(database, mark)


def _find_place(
    data_dir: Path, url: str | None
) -> tuple[MarkPlace, Callable[[StoreMarker | None], ContentStore]]:
    """Return the place of a store's mark, and a function that opens the store."""
    if url is None:
        folder = data_dir / IMAGES
        return FolderMark(folder), lambda marker: FileStore(folder, marker=marker)
    if not is_bucket_url(url):
        raise ConfigurationError(
            f"A bucket is {BUCKET_FORMS}, of letters, digits and the characters . _ ~ -"
        )
    try:
        from pixy_data.content.objects.bucket import open_bucket  # noqa: PLC0415 - an extra
        from pixy_data.content.objects.mark import BucketMark  # noqa: PLC0415
        from pixy_data.content.objects.store import ObjectStore  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "Object storage needs a library that is not installed: pip install 'pixy-web[s3]'"
        ) from error
    bucket = open_bucket(url)
    return BucketMark(bucket), lambda marker: ObjectStore(bucket, data_dir, marker=marker)
