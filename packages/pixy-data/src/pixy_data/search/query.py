"""What a filter means to the rows: which lists it draws on, and its parameters.

The statements stand in search_statements.py, what a word is in pixy_core.
"""

from datetime import UTC, datetime
from functools import cached_property

from pixy_core import ImageFilter, User, Visibility
from pixy_data.conversions import time_to_moment, time_to_parameter
from pixy_data.interfaces import Position
from pixy_data.search.index import PUBLIC_SCOPE, class_scope, owner_scope, raw_guid
from pixy_data.search.statements import Shape, Source

NEWEST = Position(datetime.max.replace(tzinfo=UTC), "g")
"""Before every image: no time is later, and no guid sorts after this letter."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# no character sorts after it
_LAST = "\U0010ffff"


class ImageSearch:
    """One page of a narrowed list.

    Args:
        match: What its images have in common.
        viewer: Who looks; None for a stranger.
        limit: Images at most.
        after: The last image of the page before, or NEWEST.
    """

    def __init__(
        self, match: ImageFilter, viewer: User | None, limit: int, after: Position
    ) -> None:
        self._match = match
        self._viewer = viewer
        self._limit = limit
        # "made before" is a place in the list, too: before all guids of that time
        before = NEWEST if match.created_before is None else Position(match.created_before, "")
        self._after = min(after, before)
        self._words = match.words

    @property
    def can_match(self) -> bool:
        """Whether any image could be found at all."""
        return bool(self._sources) and (self._words is None or any(self._words))

    @property
    def shape(self) -> Shape:
        """Which statement asks for it."""
        return Shape(
            sources=self._sources,
            words=None if self._words is None else len(self._words.words),
            has_beginning=self._words is not None and bool(self._words.beginning),
            has_visibility=self._match.visibility is not None and Source.OWN in self._sources,
            tells_owner=self._viewer is not None,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """A value for each name in the statement, and for some that aren't in it."""
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
            parameters |= self._word_parameters(since, created_at, guid)
        return parameters

    def _word_parameters(self, since: datetime, moment: datetime, guid: str) -> dict[str, object]:
        words, beginning = self._words or ((), "")
        parameters: dict[str, object] = {
            "since_moment": time_to_moment(since),
            "moment": time_to_moment(moment),
            "raw_guid": _bound(guid),
            "scope_public": PUBLIC_SCOPE,
            "beginning": beginning,
            "beginning_end": beginning + _LAST,
        }
        parameters |= {f"word_{number}": word for number, word in enumerate(words)}
        if self._viewer is not None:
            parameters["scope_own"] = owner_scope(self._viewer.username)
            parameters["scope_class"] = class_scope(self._viewer.class_key)
        return parameters

    @cached_property
    def _sources(self) -> tuple[Source, ...]:
        wanted, mine = self._match.visibility, self._match.mine
        if self._viewer is None:
            is_empty = mine or wanted not in (None, Visibility.PUBLIC)
            return () if is_empty else (Source.PUBLIC,)
        if mine or wanted is Visibility.PRIVATE:
            return (Source.OWN,)
        if wanted is Visibility.PUBLIC:
            return (Source.PUBLIC,)
        if wanted is Visibility.CLASS:
            # the owner's own are among those of the class
            return (Source.CLASS,)
        return (Source.PUBLIC, Source.OWN, Source.CLASS)


def _bound(guid: str) -> bytes:
    """Return what the bytes of the guids after a position are less than."""
    if guid == NEWEST.guid:
        return b"\xff" * 17
    return raw_guid(guid) if guid else b""
