"""The rows of images: their SQL, and the repository that runs it.

Parameters are named, never formatted in. docs/decisions/0002-keyset-listing.md has the query
plans of the lists.
"""

# ruff: noqa: S608 - only constants and column names are formatted in

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pixy_core import (
    DetailedImage,
    Image,
    ImageDetail,
    ImageFilter,
    ImageSource,
    Purchase,
    User,
    Visibility,
)
from pixy_core.images import UPLOAD_GENERATOR
from pixy_data.conversions import (
    DETAIL_COLUMNS,
    IMAGE_COLUMNS,
    details_from_parameters,
    details_from_row,
    image_from_row,
    image_guid,
    image_to_parameters,
    match_guid,
    time_to_parameter,
    widen,
)
from pixy_data.database.database import Database, join_transaction
from pixy_data.keyset import (
    AFTER,
    BEFORE,
    IS_AMONG,
    NEWEST,
    OLDEST,
    PAGE,
    PART_SIZE,
    Position,
    name_guids,
)
from pixy_data.search.index import SELECT_INDEXED, ImageWords, IndexedImage
from pixy_data.search.query import ImageSearch, build_list
from pixy_data.sources import IS_DERIVED, ImageSources
from pixy_data.visibility import (
    AUDIENCES,
    EVERYONE,
    PUBLIC_COLUMNS,
    PUBLIC_DETAIL_COLUMNS,
    is_visible_to,
    is_visible_to_user,
)

INSERT = """
    INSERT INTO images (
        guid, filename, prompt, created_at, updated_at, owner, class_key, visibility,
        media_type, width, height, size, sha256, generator, model, purchase, source_count
    ) VALUES (
        :guid, :filename, :prompt, :created_at, :updated_at, :owner, :class_key, :visibility,
        :media_type, :width, :height, :size, :sha256, :generator, :model, :purchase, :source_count
    )
"""
_SELECT = f"SELECT {DETAIL_COLUMNS} FROM images WHERE guid = :guid"
_SELECT_PUBLIC = f"""
    SELECT {PUBLIC_DETAIL_COLUMNS} FROM images WHERE guid = :guid AND {is_visible_to(EVERYONE)}
"""
_SELECT_VISIBLE = f"""
    SELECT {DETAIL_COLUMNS} FROM images WHERE guid = :guid AND {is_visible_to_user()}
"""
_SELECT_UPLOAD = f"""
    SELECT {DETAIL_COLUMNS} FROM images
    WHERE owner = :owner AND sha256 = :sha256 AND generator = '{UPLOAD_GENERATOR}'
    ORDER BY id LIMIT 1
"""

# rows per page of `list_owned`; a prompt has up to 128 KB
_OWNED = 50
# oldest first: images that are made meanwhile come last; without the hint, MariaDB would sort all
# images of the owner
LIST_OWNED = f"""
    SELECT {DETAIL_COLUMNS} FROM images /*! FORCE INDEX (ix_images_owner) */
    WHERE owner = :owner AND {BEFORE} ORDER BY created_at, guid LIMIT {_OWNED}
"""

# without the hint, MariaDB walks the index from its end if it has to fetch whole rows; MySQL and
# MariaDB execute such a comment, SQLite ignores it
LIST_PUBLIC = f"""
    SELECT {PUBLIC_COLUMNS} FROM images /*! FORCE INDEX (ix_images_visibility) */
    WHERE {is_visible_to(EVERYONE)} AND {AFTER} {PAGE}
"""


def _list_ids(condition: str) -> str:
    # answered from an index alone; SQLite does not accept parentheses around a part of a union
    page = f"SELECT id, created_at, guid FROM images WHERE {condition} AND {AFTER} {PAGE}"
    return f"SELECT id, created_at, guid FROM ({page}) AS part"


# find the ids of the page first, then fetch its rows
LIST_VISIBLE = f"""
    SELECT {widen(IMAGE_COLUMNS)}
    FROM (
        {" UNION ".join(_list_ids(is_visible_to(each)) for each in AUDIENCES)} {PAGE}
    ) AS page JOIN images ON images.id = page.id
    ORDER BY page.created_at DESC, page.guid DESC
"""
_LIST_PUBLIC_DERIVED = f"""
    SELECT {PUBLIC_COLUMNS} FROM images
    WHERE {IS_DERIVED} AND {is_visible_to(EVERYONE)} AND {AFTER} {PAGE}
"""
_LIST_VISIBLE_DERIVED = f"""
    SELECT {IMAGE_COLUMNS} FROM images
    WHERE {IS_DERIVED} AND {is_visible_to_user()} AND {AFTER} {PAGE}
"""
_UPDATE_VISIBILITY = """
    UPDATE images SET visibility = :visibility, updated_at = :updated_at
    WHERE guid = :guid AND owner = :owner
"""
_DELETE = "DELETE FROM images WHERE guid = :guid AND owner = :owner"

_FILE_COLUMNS = "guid, filename, size, sha256"
_LIST_FILES = f"""
    SELECT {_FILE_COLUMNS} FROM images WHERE guid > :guid ORDER BY guid LIMIT {PART_SIZE}
"""
_SELECT_FILES = f"SELECT {_FILE_COLUMNS} FROM images WHERE {IS_AMONG}"
_SELECT_ANY = "SELECT guid FROM images LIMIT 1"


class FileRecord(NamedTuple):
    """The columns of an image's row that describe its file."""

    guid: str
    filename: str
    size: int
    sha256: str


class ImageRepository:
    """The images of one database.

    Paged lists (`limit`, `after`) are newest first. The caller decides who may ask for what.

    Attributes:
        sources: What the images were made from.

    Raises:
        PixyProxyException: From every method: DBConnectionError, DatabaseBusyError or
            DatabaseError when the database fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._words = ImageWords(database)
        self.sources = ImageSources(database)

    def insert_image(
        self,
        image: ImageDetail,
        owner: User,
        created_at: datetime | None = None,
        purchase: Purchase | None = None,
        sources: Sequence[ImageSource] = (),
        *,
        updated_at: datetime | None = None,
    ) -> DetailedImage:
        """Store a new image and what it was made from, and index its words.

        Args:
            image: All of its details.
            owner: The owner. Its class key is stored in the row.
            created_at: Aware; None for now.
            purchase: What was bought.
            sources: What it was made from, in order.
            updated_at: Aware; None: it was not changed since it was made.

        Raises:
            ConstraintViolationError: The guid is taken, or the owner unknown.
        """
        parameters = image_to_parameters(
            image,
            owner,
            created_at or datetime.now(UTC),
            purchase,
            len(sources),
            updated_at=updated_at,
        )

        def work() -> DetailedImage:
            result = self._database.execute(INSERT, parameters)
            self.sources.insert(image.guid, sources)
            indexed = {**parameters, "id": result.last_id}
            self._words.insert(IndexedImage(*(indexed[name] for name in IndexedImage._fields)))
            return details_from_parameters(parameters, result.last_id)

        return join_transaction(self._database, work)

    def find_image(self, guid: str) -> DetailedImage | None:
        """Find an image of any visibility; it must not be shown to other users than its owner."""
        return self._find(_SELECT, {"guid": guid})

    def find_public_image(self, guid: str) -> DetailedImage | None:
        """Find an image that everyone may see, without its owner and what was bought."""
        return self._find(_SELECT_PUBLIC, {"guid": guid})

    def find_visible_image(self, guid: str, user: User) -> DetailedImage | None:
        """Find an image that a user may see; only its owner gets what was bought."""
        return self._find(
            _SELECT_VISIBLE,
            {"guid": guid, "username": user.username, "class_key": user.class_key},
            user.username,
        )

    def list_owned(self, owner: str) -> Iterator[DetailedImage]:
        """Yield every image of an owner, oldest first; no connection is held in between."""
        after = Position(OLDEST, "")
        while rows := self._database.fetch_all(
            LIST_OWNED,
            {
                "owner": owner,
                "created_at": time_to_parameter(after.created_at),
                "guid": after.guid,
            },
        ):
            images = [details_from_row(row) for row in rows]
            yield from images
            after = Position(images[-1].created_at, images[-1].guid)

    def find_upload(self, owner: str, sha256: str) -> DetailedImage | None:
        """Find the first image that an owner uploaded with these bytes."""
        row = self._database.fetch_one(_SELECT_UPLOAD, {"owner": owner, "sha256": sha256})
        return None if row is None else details_from_row(row)

    def list_public_images(self, limit: int, after: Position | None = None) -> list[Image]:
        """Return a page of the images that everyone may see, without their owners."""
        return self._list(LIST_PUBLIC, limit, after)

    def list_visible_images(
        self, user: User, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of all images that a user may see."""
        return self._list(
            LIST_VISIBLE, limit, after, username=user.username, class_key=user.class_key
        )

    def list_public_derived(
        self, source: str, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of the public images that were made from a source."""
        return self._list(_LIST_PUBLIC_DERIVED, limit, after, source=source)

    def list_visible_derived(
        self, source: str, user: User, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of the images visible to a user that were made from a source."""
        scope = {"username": user.username, "class_key": user.class_key}
        return self._list(_LIST_VISIBLE_DERIVED, limit, after, source=source, **scope)

    def search_images(
        self, match: ImageFilter, viewer: User | None, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of the images that a caller may see and that match a filter.

        Args:
            match: The filter.
            viewer: The caller; None without credentials.
            limit: Maximum number of images.
            after: The last image of the page before.
        """
        search = ImageSearch(match, viewer, limit, after or NEWEST)
        if not search.can_match:
            return []
        rows = self._database.fetch_all(build_list(search.shape), search.parameters)
        return [image_from_row(row) for row in rows]

    def update_visibility(self, guid: str, owner: str, visibility: Visibility) -> bool:
        """Change who may see an image; return False if the owner has no such image."""
        parameters = {
            "guid": guid,
            "owner": owner,
            "visibility": visibility.value,
            "updated_at": time_to_parameter(datetime.now(UTC)),
        }
        if match_guid(guid) is None:
            return False

        def work() -> bool:
            # first: it locks the row, so another change of this image waits until the commit
            if self._database.execute(_UPDATE_VISIBILITY, parameters).rowcount == 0:
                return False
            image = self._find_indexed(guid, owner)
            if image is not None:
                self._words.update(image)
            return True

        return join_transaction(self._database, work)

    def delete_image(self, guid: str, owner: str) -> bool:
        """Delete an image's row and words; return False if the owner has no such image."""
        if match_guid(guid) is None:
            return False

        def work() -> bool:
            image = self._find_indexed(guid, owner)
            parameters = {"guid": guid, "owner": owner}
            if image is None or self._database.execute(_DELETE, parameters).rowcount == 0:
                return False
            self._words.delete(image)
            return True

        return join_transaction(self._database, work)

    def has_images(self) -> bool:
        """Return whether there is any image."""
        return self._database.fetch_one(_SELECT_ANY, {}) is not None

    def list_records(self) -> Iterator[FileRecord]:
        """Yield a FileRecord for every row, ordered by guid; no connection is held in between."""
        after = ""
        while rows := self._database.fetch_all(_LIST_FILES, {"guid": after}):
            records = [FileRecord(*row) for row in rows]
            yield from records
            after = records[-1].guid

    def find_records(self, guids: list[str]) -> dict[str, FileRecord]:
        """Return the files of up to PART_SIZE images by guid, for those that have a row."""
        rows = self._database.fetch_all(_SELECT_FILES, name_guids(guids))
        return {record.guid: record for record in (FileRecord(*row) for row in rows)}

    def _find_indexed(self, guid: str, owner: str) -> IndexedImage | None:
        row = self._database.fetch_one(SELECT_INDEXED, {"guid": guid, "owner": owner})
        return None if row is None else IndexedImage(*row)

    def _find(
        self, statement: str, parameters: dict[str, str], reader: str | None = None
    ) -> DetailedImage | None:
        guid = parameters["guid"]
        if match_guid(guid) is None:
            return None
        row = self._database.fetch_one(statement, parameters, lambda row: image_guid(row) == guid)
        return None if row is None else details_from_row(row, reader)

    def _list(
        self, statement: str, limit: int, after: Position | None, **scope: str
    ) -> list[Image]:
        position = after or NEWEST
        rows = self._database.fetch_all(
            statement,
            {
                **scope,
                "created_at": time_to_parameter(position.created_at),
                "guid": position.guid,
                "limit": limit,
            },
        )
        return [image_from_row(row) for row in rows]
