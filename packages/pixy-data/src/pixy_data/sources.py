"""What images were made from: the rows of image_sources.

A row keeps the hash of its source when the source is deleted; it goes with the image.
"""

# ruff: noqa: S608 - only constants and column names are formatted in

from collections.abc import Sequence

from pixy_core import ImageSource, User
from pixy_data.database.database import Database
from pixy_data.visibility import EVERYONE, is_visible_to, is_visible_to_user

IS_DERIVED = "guid IN (SELECT image FROM image_sources WHERE source = :source)"
"""The SQL condition that a row of images was made from an image."""

_INSERT = """
    INSERT INTO image_sources (image, position, source, source_sha256, role)
    VALUES (:image, :position, :source, :source_sha256, :role)
"""
_COLUMNS = "image_sources.source, image_sources.source_sha256, image_sources.role"
_LIST = f"SELECT {_COLUMNS} FROM image_sources WHERE image = :image ORDER BY position"


def _list_seen(condition: str) -> str:
    return f"""
        SELECT {_COLUMNS} FROM image_sources JOIN images ON images.guid = image_sources.source
        WHERE image_sources.image = :image AND {condition}
        ORDER BY image_sources.position
    """


_LIST_PUBLIC = _list_seen(is_visible_to(EVERYONE, table="images."))
_LIST_VISIBLE = _list_seen(is_visible_to_user())


class ImageSources:
    """The sources of the images of one database.

    Args:
        database: Where they are.

    Raises:
        PixyProxyException: From every method: the database failed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, image: str, sources: Sequence[ImageSource]) -> None:
        """Store what an image was made from, in the transaction of its row."""
        for position, source in enumerate(sources):
            parameters = {
                "image": image,
                "position": position,
                "source": source.guid,
                "source_sha256": source.sha256,
                "role": source.role.value,
            }
            self._database.execute(_INSERT, parameters)

    def list_sources(self, image: str) -> list[ImageSource]:
        """Return all sources of an image, also deleted ones."""
        return self._list(_LIST, image)

    def list_public_sources(self, image: str) -> list[ImageSource]:
        """Return the sources of an image that everyone may see."""
        return self._list(_LIST_PUBLIC, image)

    def list_visible_sources(self, image: str, user: User) -> list[ImageSource]:
        """Return the sources of an image that a user may see."""
        scope = {"username": user.username, "class_key": user.class_key}
        return self._list(_LIST_VISIBLE, image, **scope)

    def _list(self, statement: str, image: str, **scope: str) -> list[ImageSource]:
        rows = self._database.fetch_all(statement, {"image": image, **scope})
        return [ImageSource(guid=guid, sha256=sha256, role=role) for guid, sha256, role in rows]
