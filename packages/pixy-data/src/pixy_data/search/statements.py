"""The SQL of lists that a filter narrows, the same text for MySQL and SQLite.

It is put together from constants by what is asked for; what is looked for is always a named
parameter. docs/decisions/0007-search.md has the query plans.
"""

# ruff: noqa: S608 - what is formatted in are the constants of this module and numbers

from enum import Enum
from functools import cache
from typing import NamedTuple

from pixy_data.conversions import IMAGE_COLUMNS
from pixy_data.image_statements import AFTER, PAGE, PUBLIC_COLUMNS, widen


class Source(Enum):
    """A list that a caller may see, as a condition on the rows of images."""

    PUBLIC = "visibility = 'public'"
    OWN = "owner = :username"
    CLASS = "class_key = :class_key AND visibility = 'class'"


class Shape(NamedTuple):
    """What a statement depends on.

    Attributes:
        sources: Whose union it lists.
        words: How many words a prompt must have; None when they don't matter.
        has_beginning: Whether it must have one that begins with a given text, too.
        has_visibility: Whether one visibility is asked for, which the sources don't imply.
        tells_owner: Whether the caller learns the owners.
    """

    sources: tuple[Source, ...]
    words: int | None
    has_beginning: bool
    has_visibility: bool
    tells_owner: bool


@cache
def build_list(shape: Shape) -> str:
    """Return the statement of one page.

    Args:
        shape: What it depends on.

    Raises:
        Nothing.
    """
    build = _narrow if shape.words is None else _search
    parts = [build(source, shape) for source in shape.sources]
    page = parts[0]
    if len(parts) > 1:
        # SQLite takes no parentheses around a part of a union, hence a SELECT around each
        selects = [
            f"SELECT id, created_at, guid FROM ({part}) AS part_{number}"
            for number, part in enumerate(parts)
        ]
        page = f"{' UNION '.join(selects)} {PAGE}"
    columns = widen(IMAGE_COLUMNS if shape.tells_owner else PUBLIC_COLUMNS)
    # the index of words says where an image was shown; only its row says to whom it may be
    allowed = " OR ".join(f"({source.value})" for source in shape.sources)
    return f"""
        SELECT {columns} FROM ({page}) AS page JOIN images ON images.id = page.id
        WHERE {allowed}
        ORDER BY images.created_at DESC, images.guid DESC
    """


def _narrow(source: Source, shape: Shape) -> str:
    visibility = "AND visibility = :visibility" if shape.has_visibility else ""
    return f"""
        SELECT id, created_at, guid FROM images
        WHERE {source.value} {visibility} AND created_at >= :since AND {AFTER} {PAGE}
    """


def _search(source: Source, shape: Shape) -> str:
    scope = f":scope_{source.name.lower()}"
    words = [f":word_{number}" for number in range(shape.words or 0)]
    if shape.has_beginning:
        first = "word BETWEEN :beginning AND :beginning_end"
    else:
        first = f"word = {words.pop(0)}"
    # counted, since a database may turn EXISTS into a join, and choose an order of its own for it
    conditions = [
        f"""(
            SELECT COUNT(*) FROM image_words AS other
            WHERE other.scope = {scope} AND other.word = {word}
            AND other.moment = found.moment AND other.guid = found.guid
        ) = 1"""
        for word in words
    ]
    if shape.has_visibility:
        conditions.append(
            "(SELECT visibility FROM images WHERE images.id = found.image_id) = :visibility"
        )
    # a prompt may hold several words that begin alike
    distinct = "DISTINCT" if shape.has_beginning else ""
    return f"""
        SELECT {distinct} image_id AS id, moment AS created_at, guid FROM image_words AS found
        WHERE scope = {scope} AND {first}
        AND moment >= :since_moment AND moment <= :moment
        AND (moment < :moment OR guid < :raw_guid)
        {" ".join(f"AND {condition}" for condition in conditions)}
        ORDER BY moment DESC, guid DESC LIMIT :limit
    """
