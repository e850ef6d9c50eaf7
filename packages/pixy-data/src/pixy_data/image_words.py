"""Under which words an image is found, by those who may see it: rows of `image_words`.

Each word of a prompt has a row for the owner, and one for those to whom the image is shown: its
class, or everyone. So what one caller finds by a word lies together in the index, in the order of
the list. Why it is so stands in docs/decisions/0007-search.md.
"""

import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple

from pixy_core import Visibility, index_words
from pixy_data.conversions import time_from_value, time_to_moment
from pixy_data.database import Database

PUBLIC_SCOPE = "public"

_CHUNK = 50
"""Words that one statement writes or deletes."""

SELECT_INDEXED = """
    SELECT id, guid, prompt, created_at, owner, class_key, visibility FROM images
    WHERE guid = :guid AND owner = :owner
"""


class IndexedImage(NamedTuple):
    """What the index has to know of an image: the columns of SELECT_INDEXED."""

    id: int
    guid: str
    prompt: str
    created_at: str
    owner: str
    class_key: str
    visibility: str


def owner_scope(username: str) -> str:
    """Return the scope of what one user owns."""
    return f"owner:{username}"


def class_scope(class_key: str) -> str:
    """Return the scope of what is shown to a class."""
    return f"class:{class_key}"


def raw_guid(guid: str) -> bytes:
    """Return the 16 bytes of a guid, which sort as its text does."""
    return uuid.UUID(guid).bytes


def list_scopes(image: IndexedImage) -> list[str]:
    """Return the scopes in which an image is found."""
    scopes = [owner_scope(image.owner)]
    if image.visibility == Visibility.CLASS:
        scopes.append(class_scope(image.class_key))
    if image.visibility == Visibility.PUBLIC:
        scopes.append(PUBLIC_SCOPE)
    return scopes


class ImageWords:
    """The index of one database; its methods belong to the caller's transaction.

    Args:
        database: Where it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, image: IndexedImage) -> None:
        """Index a new image.

        Args:
            image: As its row is.

        Raises:
            PixyProxyException: The database failed.
        """
        self._insert(image, list_scopes(image))

    def update(self, image: IndexedImage) -> None:
        """Show an image to those to whom its visibility says, and to no others.

        Args:
            image: As its row is by now.

        Raises:
            PixyProxyException: The database failed.
        """
        self._delete(image, [PUBLIC_SCOPE, class_scope(image.class_key)])
        self._insert(image, list_scopes(image)[1:])

    def delete(self, image: IndexedImage) -> None:
        """Forget an image.

        Args:
            image: As its row was.

        Raises:
            PixyProxyException: The database failed.
        """
        own = owner_scope(image.owner)
        self._delete(image, [own, PUBLIC_SCOPE, class_scope(image.class_key)])

    def _insert(self, image: IndexedImage, scopes: Iterable[str]) -> None:
        for scope in scopes:
            for words in _chunks(image.prompt):
                parameters = _place(image, scope) | _name(words) | {"image_id": image.id}
                self._database.execute(_insert_statement(len(words)), parameters)

    def _delete(self, image: IndexedImage, scopes: Iterable[str]) -> None:
        for scope in scopes:
            for words in _chunks(image.prompt):
                parameters = _place(image, scope) | _name(words)
                self._database.execute(_delete_statement(len(words)), parameters)


def _place(image: IndexedImage, scope: str) -> dict[str, object]:
    moment = time_to_moment(time_from_value(image.created_at))
    return {"scope": scope, "moment": moment, "guid": raw_guid(image.guid)}


def _chunks(prompt: str) -> Iterator[list[str]]:
    # in one order, so that two writers never wait for each other in a circle
    words = iter(sorted(index_words(prompt)))
    while chunk := list(islice(words, _CHUNK)):
        yield chunk


def _name(words: list[str]) -> dict[str, object]:
    return {f"word_{number}": word for number, word in enumerate(words)}


# how many parameters there are is all that is formatted in


@cache
def _insert_statement(count: int) -> str:
    rows = ", ".join(f"(:scope, :word_{n}, :moment, :guid, :image_id)" for n in range(count))
    return f"INSERT INTO image_words (scope, word, moment, guid, image_id) VALUES {rows}"  # noqa: S608


@cache
def _delete_statement(count: int) -> str:
    words = ", ".join(f":word_{n}" for n in range(count))
    return (
        "DELETE FROM image_words WHERE scope = :scope AND moment = :moment AND guid = :guid "  # noqa: S608
        f"AND word IN ({words})"
    )
