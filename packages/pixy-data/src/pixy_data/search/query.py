"""A page of a filtered list: which audiences it draws on, its SQL and its parameters.

The SQL is assembled from constants; values are always named parameters. Query plans:
docs/decisions/0007-search.md.
"""

# ruff: noqa: S608 - only constants and numbers are formatted in

from datetime import UTC, datetime
from functools import cache, cached_property
from typing import NamedTuple

from pixy_core import ImageFilter, User
from pixy_data.conversions import IMAGE_COLUMNS, time_to_microseconds, time_to_parameter, widen
from pixy_data.keyset import AFTER, NEWEST, PAGE, Position
from pixy_data.search.index import pack_guid
from pixy_data.visibility import (
    AUDIENCES,
    OWNER,
    PUBLIC_COLUMNS,
    Audience,
    is_visible_to,
    name_scope,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_CHARACTER = "\U0010ffff"


class Shape(NamedTuple):
    """What the text of a statement depends on.

    Attributes:
        audiences: It lists the union of what these may see.
        words: Number of words that a prompt must contain; None without a search for words.
        has_beginning: Whether it must also contain a word with a given beginning.
        has_visibility: Whether a visibility is asked for that the audiences do not imply.
        tells_owner: Whether the caller learns the owners.
    """

    audiences: tuple[Audience, ...]
    words: int | None
    has_beginning: bool
    has_visibility: bool
    tells_owner: bool


class ImageSearch:
    """One page of a filtered list; its arguments are those of `ImageRepository.search_images`."""

    def __init__(
        self, match: ImageFilter, viewer: User | None, limit: int, after: Position
    ) -> None:
        self._match = match
        self._viewer = viewer
        self._limit = limit
        # "created before" is also a position in the list: before all guids of that time
        before = NEWEST if match.created_before is None else Position(match.created_before, "")
        self._after = min(after, before)
        self._words = match.words

    @property
    def can_match(self) -> bool:
        """Whether the filter can match any image."""
        return bool(self._audiences) and (self._words is None or any(self._words))

    @property
    def shape(self) -> Shape:
        """The shape of the statement."""
        return Shape(
            audiences=self._audiences,
            words=None if self._words is None else len(self._words.words),
            has_beginning=self._words is not None and bool(self._words.prefix),
            has_visibility=self._match.visibility is not None and OWNER in self._audiences,
            tells_owner=self._viewer is not None,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """A value for each name in the statement; other statements' names may be among them."""
        since = self._match.created_after or _EPOCH
        created_at, guid = self._after
        parameters: dict[str, object] = {
            "limit": self._limit,
            "since": time_to_parameter(since),
            "created_at": time_to_parameter(created_at),
            "guid": guid,
            "visibility": self._match.visibility and self._match.visibility.value,
        }
        if self._viewer is not None:
            parameters["username"] = self._viewer.username
            parameters["class_key"] = self._viewer.class_key
        if self._words is not None:
            parameters |= self._word_parameters(since)
        return parameters

    def _word_parameters(self, since: datetime) -> dict[str, object]:
        words, beginning = self._words or ((), "")
        created_at, guid = self._after
        parameters: dict[str, object] = {
            "since_moment": time_to_microseconds(since),
            "moment": time_to_microseconds(created_at),
            "raw_guid": _pack_bound(guid),
            "beginning": beginning,
            "beginning_end": beginning + _LAST_CHARACTER,
        }
        parameters |= {f"word_{number}": word for number, word in enumerate(words)}
        for each in self._audiences:
            member = each.attribute and getattr(self._viewer, each.attribute)
            parameters[f"scope_{each.name}"] = name_scope(each, member)
        return parameters

    @cached_property
    def _audiences(self) -> tuple[Audience, ...]:
        wanted: tuple[Audience, ...] = AUDIENCES
        if self._match.mine:
            wanted = (OWNER,)
        elif (visibility := self._match.visibility) is not None:
            # the owner's images of a shared visibility are among those of its audience
            wanted = tuple(each for each in AUDIENCES if each.visibility == visibility) or (OWNER,)
        return tuple(each for each in wanted if self._viewer is not None or each.column is None)


@cache
def build_list(shape: Shape) -> str:
    """Return the statement of a page."""
    build = _list_ids if shape.words is None else _find_ids
    parts = [build(audience, shape) for audience in shape.audiences]
    page = parts[0]
    if len(parts) > 1:
        # SQLite does not accept parentheses around a part of a union
        selects = [
            f"SELECT id, created_at, guid FROM ({part}) AS part_{number}"
            for number, part in enumerate(parts)
        ]
        page = f"{' UNION '.join(selects)} {PAGE}"
    columns = widen(IMAGE_COLUMNS if shape.tells_owner else PUBLIC_COLUMNS)
    # the rule is checked again on the rows: the index of words is only an index
    allowed = " OR ".join(f"({is_visible_to(each)})" for each in shape.audiences)
    return f"""
        SELECT {columns} FROM ({page}) AS page JOIN images ON images.id = page.id
        WHERE {allowed}
        ORDER BY images.created_at DESC, images.guid DESC
    """


def _list_ids(audience: Audience, shape: Shape) -> str:
    visibility = "AND visibility = :visibility" if shape.has_visibility else ""
    return f"""
        SELECT id, created_at, guid FROM images
        WHERE {is_visible_to(audience)} {visibility}
        AND created_at >= :since AND {AFTER} {PAGE}
    """


def _find_ids(audience: Audience, shape: Shape) -> str:
    scope = f":scope_{audience.name}"
    words = [f":word_{number}" for number in range(shape.words or 0)]
    if shape.has_beginning:
        first = "word BETWEEN :beginning AND :beginning_end"
    else:
        first = f"word = {words.pop(0)}"
    # COUNT, because a database may turn EXISTS into a join in an order of its own
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
    # several words of a prompt may have the same beginning
    distinct = "DISTINCT" if shape.has_beginning else ""
    return f"""
        SELECT {distinct} image_id AS id, moment AS created_at, guid FROM image_words AS found
        WHERE scope = {scope} AND {first}
        AND moment >= :since_moment AND moment <= :moment
        AND (moment < :moment OR guid < :raw_guid)
        {" ".join(f"AND {condition}" for condition in conditions)}
        ORDER BY moment DESC, guid DESC LIMIT :limit
    """


def _pack_bound(guid: str) -> bytes:
    """Return bytes that sort after those of each guid before a position."""
    if guid == NEWEST.guid:
        return b"\xff" * 17
    return pack_guid(guid) if guid else b""
