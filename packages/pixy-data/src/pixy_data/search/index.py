"""The inverted index: one row for each word of a prompt and each audience of the image.

What one caller finds by a word lies together in the index, in the order of the list
(docs/decisions/0007-search.md).
"""

import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from pixy_core import index_words, iterate_words
from pixy_core.search import MAX_INDEXED_WORDS
from pixy_data.conversions import time_from_value, time_to_microseconds
from pixy_data.database.database import Database
from pixy_data.visibility import AUDIENCES, OWNER, Audience, name_scope

_CHUNK, _LARGE_CHUNK = 50, 500
"""Words of one statement. The text of a statement is cached for each number up to _CHUNK."""

_SELECT_WORD = """
    SELECT image_id FROM image_words
    WHERE scope = :scope AND word = :word AND moment = :moment AND guid = :guid
"""
SELECT_INDEXED = """
    SELECT id, guid, prompt, created_at, owner, class_key, visibility FROM images
    WHERE guid = :guid AND owner = :owner
"""


class IndexedImage(NamedTuple):
    """The columns of SELECT_INDEXED."""

    id: int
    guid: str
    prompt: str
    created_at: str
    owner: str
    class_key: str
    visibility: str


def pack_guid(guid: str) -> bytes:
    """Return the 16 bytes of a guid, which sort as its text does."""
    return uuid.UUID(guid).bytes


class ImageWords:
    """The index of one database; its methods belong to the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, image: IndexedImage) -> None:
        """Index a new image."""
        self._insert(_list_audiences(image), image, index_words(image.prompt))

    def update(self, image: IndexedImage) -> None:
        """Index an image for the audiences of its new visibility, and for no others."""
        words, unindexed = self._find_words(image)
        self._delete([OWNER], image, unindexed)
        self._delete(_OTHERS, image, [*words, *unindexed])
        self._insert([each for each in _list_audiences(image) if each != OWNER], image, words)

    def delete(self, image: IndexedImage) -> None:
        """Remove an image from the index."""
        words, unindexed = self._find_words(image)
        self._delete(AUDIENCES, image, [*words, *unindexed])

    def _insert(
        self, audiences: Iterable[Audience], image: IndexedImage, words: Iterable[str]
    ) -> None:
        for audience in audiences:
            for chunk in _chunks(words):
                parameters = _place(image, audience) | _name(chunk) | {"image_id": image.id}
                self._database.execute(_insert_statement(len(chunk)), parameters)

    def _delete(
        self, audiences: Iterable[Audience], image: IndexedImage, words: Iterable[str]
    ) -> None:
        for audience in audiences:
            for chunk in _chunks(words):
                parameters = _place(image, audience) | _name(chunk)
                self._database.execute(_delete_statement(len(chunk)), parameters)

    def _find_words(self, image: IndexedImage) -> tuple[list[str], list[str]]:
        """Return the indexed words of an image, and those beyond the limit that have rows.

        A release without the limit indexed all words. The owner's rows, which always exist, tell
        which release it was.
        """
        words = list(iterate_words(image.prompt))
        words, beyond = words[:MAX_INDEXED_WORDS], words[MAX_INDEXED_WORDS:]
        if beyond:
            place = _place(image, OWNER) | {"word": beyond[0]}
            if self._database.fetch_one(_SELECT_WORD, place) is None:
                beyond = []
        return words, beyond


_OTHERS = [audience for audience in AUDIENCES if audience != OWNER]


def _list_audiences(image: IndexedImage) -> list[Audience]:
    return [each for each in AUDIENCES if each.visibility in (None, image.visibility)]


def _place(image: IndexedImage, audience: Audience) -> dict[str, object]:
    member = audience.column and getattr(image, audience.column)
    moment = time_to_microseconds(time_from_value(image.created_at))
    return {
        "scope": name_scope(audience, member),
        "moment": moment,
        "guid": pack_guid(image.guid),
    }


def _chunks(words: Iterable[str]) -> Iterator[list[str]]:
    # sorted, so that two writers never deadlock
    rest = sorted(words)
    while rest:
        size = _LARGE_CHUNK if len(rest) >= _LARGE_CHUNK else _CHUNK
        yield rest[:size]
        rest = rest[size:]


def _name(words: list[str]) -> dict[str, object]:
    return {f"word_{number}": word for number, word in enumerate(words)}


# only the number of parameters is formatted in


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
