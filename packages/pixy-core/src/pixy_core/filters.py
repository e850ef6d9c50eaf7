"""What a list of images may be narrowed to, and how words that are looked for are read."""

import re
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from pixy_core.images import Visibility
from pixy_core.words import MAX_WORD_LENGTH, fold, is_unspaced, pair_up, split_runs

MAX_QUERY_LENGTH = 200
MAX_QUERY_WORDS = 16
MIN_BEGINNING_LENGTH = 2
"""Shorter ones would begin most words."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class SearchWords(NamedTuple):
    """What a prompt must have to be found.

    Attributes:
        words: All of these.
        beginning: And a word that begins so, if it isn't empty.
    """

    words: tuple[str, ...]
    beginning: str


def read_query(query: str) -> SearchWords:
    """Return the words that are looked for.

    Args:
        query: As a person types it; a `*` right after its last word stands for the rest of one.

    Returns:
        Distinct words, the longest first: they tend to be the rarest.
    """
    runs = split_runs(query)
    words = {word for run in runs for word in _read_run(run)}
    beginning = ""
    # folding first: the star has a form of full width, which keyboards for Japanese send
    folded = fold(query).rstrip()
    if folded.endswith("*") and split_runs(folded[-2:-1]) and _can_begin(runs[-1]):
        beginning = runs[-1][:MAX_WORD_LENGTH]
        words = {word for run in runs[:-1] for word in _read_run(run)}
    return SearchWords(tuple(sorted(words, key=lambda word: (-len(word), word))), beginning)


def _read_run(run: str) -> list[str]:
    if not is_unspaced(run):
        return [run[:MAX_WORD_LENGTH]]
    return pair_up(run) or [run]


def _can_begin(run: str) -> bool:
    return not is_unspaced(run) and len(run) >= MIN_BEGINNING_LENGTH


def _check_query(query: str) -> str:
    words, beginning = read_query(query)
    if len(words) + bool(beginning) > MAX_QUERY_WORDS:
        raise ValueError(f"must hold at most {MAX_QUERY_WORDS} words")
    return query


def _check_time(value: object) -> object:
    # pydantic also reads numbers and dates, as several kinds of time
    if isinstance(value, str) and _TIME.fullmatch(value) is None:
        raise ValueError("must be a time with its offset, as RFC 3339 writes it")
    return value


def _to_utc(moment: datetime) -> datetime:
    try:
        # no image is older, and MySQL knows no time before the year 1000
        return max(moment.astimezone(UTC), _EPOCH)
    except OverflowError as error:
        raise ValueError("must be a time within the years 1 to 9999") from error


def _read_flag(value: object) -> object:
    # pydantic reads yes, on, 1 and more as true
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value


# the length first: what follows takes time
Query = Annotated[
    str, Field(min_length=1, max_length=MAX_QUERY_LENGTH), AfterValidator(_check_query)
]
Time = Annotated[AwareDatetime, BeforeValidator(_check_time), AfterValidator(_to_utc)]


class ImageFilter(BaseModel):
    """What the images of a list have in common; each that is given narrows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: Query | None = Field(
        None,
        description="Words that the prompt holds, in any order; neither case nor accents count. "
        "`*` right after the last word, of two letters or more, stands for the rest of a word.",
        examples=["light* dusk"],
    )
    visibility: Visibility | None = Field(None, description="Only images of this visibility.")
    mine: Annotated[bool, BeforeValidator(_read_flag)] = Field(
        False, description="Only images of the caller's own."
    )
    created_after: Time | None = Field(
        None,
        description="Only images made at this time (RFC 3339) or later.",
        examples=["2026-11-01T00:00:00Z"],
    )
    created_before: Time | None = Field(
        None,
        description="Only images made before this time (RFC 3339).",
        examples=["2026-12-01T00:00:00+01:00"],
    )

    @property
    def words(self) -> SearchWords | None:
        """What is looked for in prompts; None when nothing is."""
        return None if self.q is None else read_query(self.q)
