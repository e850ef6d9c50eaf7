"""The rows of images: their SQL, one statement for each question.

Whose question it may be is decided by a service; here it is only a parameter.
"""

from datetime import UTC, datetime

from typing_extensions import override

from pixy_core import Image, ImageDetail, ImageFilter, User, Visibility
from pixy_data import image_statements as sql
from pixy_data.conversions import (
    image_from_parameters,
    image_from_row,
    image_guid,
    image_to_parameters,
    match_guid,
    time_to_parameter,
)
from pixy_data.database.database import Database, join_transaction
from pixy_data.interfaces import ImageRepositoryInterface, Position
from pixy_data.search.index import SELECT_INDEXED, ImageWords, IndexedImage
from pixy_data.search.query import NEWEST, ImageSearch
from pixy_data.search.statements import build_list


class ImageRepository(ImageRepositoryInterface):
    """The images of one database.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._words = ImageWords(database)

    @override
    def insert_image(
        self, image: ImageDetail, owner: User, created_at: datetime | None = None
    ) -> Image:
        parameters = image_to_parameters(image, owner, created_at or datetime.now(UTC))

        def work() -> Image:
            result = self._database.execute(sql.INSERT, parameters)
            indexed = {**parameters, "id": result.last_id}
            self._words.insert(IndexedImage(*(indexed[name] for name in IndexedImage._fields)))
            return image_from_parameters(parameters, result.last_id)

        return join_transaction(self._database, work)

    @override
    def find_image(self, guid: str) -> Image | None:
        return self._find(sql.SELECT, {"guid": guid})

    @override
    def find_public_image(self, guid: str) -> Image | None:
        return self._find(sql.SELECT_PUBLIC, {"guid": guid})

    @override
    def find_visible_image(self, guid: str, user: User) -> Image | None:
        return self._find(
            sql.SELECT_VISIBLE,
            {"guid": guid, "username": user.username, "class_key": user.class_key},
        )

    @override
    def list_public_images(self, limit: int, after: Position | None = None) -> list[Image]:
        return self._list(sql.LIST_PUBLIC, limit, after)

    @override
    def list_owned_images(
        self, username: str, limit: int, after: Position | None = None
    ) -> list[Image]:
        return self._list(sql.LIST_OWNED, limit, after, username=username)

    @override
    def list_class_images(
        self, class_key: str, limit: int, after: Position | None = None
    ) -> list[Image]:
        return self._list(sql.LIST_CLASS, limit, after, class_key=class_key)

    @override
    def list_visible_images(
        self, user: User, limit: int, after: Position | None = None
    ) -> list[Image]:
        return self._list(
            sql.LIST_VISIBLE, limit, after, username=user.username, class_key=user.class_key
        )

    @override
    def search_images(
        self, match: ImageFilter, viewer: User | None, limit: int, after: Position | None = None
    ) -> list[Image]:
        search = ImageSearch(match, viewer, limit, after or NEWEST)
        if not search.can_match:
            return []
        rows = self._database.fetch_all(build_list(search.shape), search.parameters)
        return [image_from_row(row) for row in rows]

    @override
    def update_visibility(self, guid: str, owner: str, visibility: Visibility) -> bool:
        parameters = {
            "guid": guid,
            "owner": owner,
            "visibility": visibility.value,
            "updated_at": time_to_parameter(datetime.now(UTC)),
        }
        if match_guid(guid) is None:
            return False

        def work() -> bool:
            # first: it keeps another change of the same image away until this one is committed
            if self._database.execute(sql.UPDATE_VISIBILITY, parameters).rowcount == 0:
                return False
            image = self._find_indexed(guid, owner)
            if image is not None:
                self._words.update(image)
            return True

        return join_transaction(self._database, work)

    @override
    def delete_image(self, guid: str, owner: str) -> bool:
        if match_guid(guid) is None:
            return False

        def work() -> bool:
            image = self._find_indexed(guid, owner)
            parameters = {"guid": guid, "owner": owner}
            if image is None or self._database.execute(sql.DELETE, parameters).rowcount == 0:
                return False
            self._words.delete(image)
            return True

        return join_transaction(self._database, work)

    def _find_indexed(self, guid: str, owner: str) -> IndexedImage | None:
        row = self._database.fetch_one(SELECT_INDEXED, {"guid": guid, "owner": owner})
        return None if row is None else IndexedImage(*row)

    def _find(self, statement: str, parameters: dict[str, str]) -> Image | None:
        guid = parameters["guid"]
        if match_guid(guid) is None:
            return None
        row = self._database.fetch_one(statement, parameters, lambda row: image_guid(row) == guid)
        return None if row is None else image_from_row(row)

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
