"""Under which words an image is found, by those who may see it: rows of `image_words`.

Each word of a prompt has a row for the owner, and one for those to whom the image is shown: its
class, or everyone. So what one caller finds by a word lies together in the index, in the order of
the list. Why it is so stands in docs/decisions/0007-search.md.
"""

import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from pixy_core import Visibility, index_words, iterate_words
from pixy_core.words import MAX_INDEXED_WORDS
from pixy_data.conversions import time_from_value, time_to_moment
from pixy_data.database.database import Database

PUBLIC_SCOPE = "public"

_CHUNK, _LARGE_CHUNK = 50, 500
"""Words of one statement. A statement's text is kept for each number of words up to _CHUNK."""

_SELECT_WORD = """
    SELECT image_id FROM image_words
    WHERE scope = :scope AND word = :word AND moment = :moment AND guid = :guid
"""

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
        self._insert(list_scopes(image), image, index_words(image.prompt))

    def update(self, image: IndexedImage) -> None:
        """Show an image to those to whom its visibility says, and to no others.

        Args:
            image: As its row is by now.

        Raises:
            PixyProxyException: The database failed.
        """
        words, beyond = self._find_words(image)
        self._delete([owner_scope(image.owner)], image, beyond)
        self._delete(_shown_scopes(image), image, [*words, *beyond])
        self._insert(list_scopes(image)[1:], image, words)

    def delete(self, image: IndexedImage) -> None:
        """Forget an image.

        Args:
            image: As its row was.

        Raises:
            PixyProxyException: The database failed.
        """
        words, beyond = self._find_words(image)
        scopes = [owner_scope(image.owner), *_shown_scopes(image)]
        self._delete(scopes, image, [*words, *beyond])

    def _insert(self, scopes: Iterable[str], image: IndexedImage, words: Iterable[str]) -> None:
        for scope in scopes:
            for chunk in _chunks(words):
                parameters = _place(image, scope) | _name(chunk) | {"image_id": image.id}
                self._database.execute(_insert_statement(len(chunk)), parameters)

    def _delete(self, scopes: Iterable[str], image: IndexedImage, words: Iterable[str]) -> None:
        for scope in scopes:
            for chunk in _chunks(words):
                parameters = _place(image, scope) | _name(chunk)
                self._database.execute(_delete_statement(len(chunk)), parameters)

    def _find_words(self, image: IndexedImage) -> tuple[list[str], list[str]]:
        """Return the words that index an image, and those beyond the limit that have rows.

        Of the latter an image has all, if a release without the limit indexed it, or none. Its
        owner's rows tell, since those are always there.
        """
        words = list(iterate_words(image.prompt))
        words, beyond = words[:MAX_INDEXED_WORDS], words[MAX_INDEXED_WORDS:]
        if beyond:
            place = _place(image, owner_scope(image.owner)) | {"word": beyond[0]}
            if self._database.fetch_one(_SELECT_WORD, place) is None:
                beyond = []
        return words, beyond


def _shown_scopes(image: IndexedImage) -> list[str]:
    """Return the scopes where others find an image, whatever its visibility."""
    return [PUBLIC_SCOPE, class_scope(image.class_key)]


def _place(image: IndexedImage, scope: str) -> dict[str, object]:
    moment = time_to_moment(time_from_value(image.created_at))
    return {"scope": scope, "moment": moment, "guid": raw_guid(image.guid)}


def _chunks(words: Iterable[str]) -> Iterator[list[str]]:
    # in one order, so that two writers never wait for each other in a circle
    rest = sorted(words)
    while rest:
        size = _LARGE_CHUNK if len(rest) >= _LARGE_CHUNK else _CHUNK
        yield rest[:size]
        rest = rest[size:]


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
