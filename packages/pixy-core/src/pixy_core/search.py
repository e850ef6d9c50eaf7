"""Filters of a list of images, and the words of prompts and of search queries.

Words are split here and not by a database, so that every database finds the same.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice, pairwise
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from pixy_core.images import Visibility

MAX_QUERY_LENGTH = 200
MAX_QUERY_WORDS = 16
MIN_PREFIX_LENGTH = 2

MAX_WORD_LENGTH = 64
"""Characters; longer words are cut off."""

MAX_INDEXED_WORDS = 1000
"""Different words of a prompt that are indexed: the first ones.

A page of English has about 250, and 500 characters of Chinese have 1,000: each character and each
pair. A word is one row for each audience, and a change of visibility writes all of them: the
longest prompt would have 48,000.
"""

MAX_MARKS = 30
"""Marks on one letter; no language needs more (Unicode Standard Annex #15, section 13)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

# Unicode blocks: accents; Hebrew points and Arabic vowel signs, which most people don't write;
# variation selectors. The marks of other scripts are parts of their letters
_ACCENTS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef"
)
# Thai and Lao, Myanmar, Khmer, and the scripts of Chinese, Japanese and Korean
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3041-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\ua4cf\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_accents = re.compile(f"[{_ACCENTS}]")
_runs = re.compile(f"[{_UNSPACED}]+|[^ {_UNSPACED}]+")
_unspaced = re.compile(f"[{_UNSPACED}]")


def index_words(text: str) -> set[str]:
    """Return the words by which a prompt is found: its first MAX_INDEXED_WORDS."""
    return set(islice(iterate_words(text), MAX_INDEXED_WORDS))


def iterate_words(text: str) -> Iterator[str]:
    """Yield the different words of a text in their order."""
    found: set[str] = set()
    for run in split_runs(text):
        for word in _split_run(run):
            if word not in found:
                found.add(word)
                yield word


def _split_run(run: str) -> Iterator[str]:
    if not _is_unspaced(run):
        yield run[:MAX_WORD_LENGTH]
        return
    for first, second in pairwise(run):
        yield first
        yield first + second
    yield run[-1]


def _is_unspaced(run: str) -> bool:
    return _unspaced.match(run) is not None


def split_runs(text: str) -> list[str]:
    """Return the words of a text in their order, folded.

    Letters, digits and their marks form words. In scripts without spaces between words, such as
    Chinese, a run of characters stays together.
    """
    return _runs.findall("".join(map(_keep_or_separate, fold(text))))


def fold(text: str) -> str:
    """Return a text in folded case, without accents, in Unicode's form NFKC."""
    composed = unicodedata.normalize("NFKC", limit_marks(text))
    decomposed = unicodedata.normalize("NFKD", composed.casefold())
    return unicodedata.normalize("NFC", _accents.sub("", decomposed))


def limit_marks(text: str) -> str:
    """Return a text without the marks that exceed MAX_MARKS on one letter.

    `unicodedata.normalize` sorts the marks of a letter by insertion and holds the interpreter's
    lock meanwhile: 32,000 marks take five seconds.
    """
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if _begins_with_mark(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _begins_with_mark(character: str) -> bool:
    # some are marks only when decomposed, such as half-width sound marks
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


@lru_cache(maxsize=4096)
def _keep_or_separate(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":  # soft hyphens and joiners do not end a word
        return ""
    return character if category[0] in "LMN" else " "


class SearchWords(NamedTuple):
    """What a prompt must contain to be found.

    Attributes:
        words: All of these words.
        prefix: The beginning of another word; empty if none is asked for.
    """

    words: tuple[str, ...]
    prefix: str

    def match(self, prompt: str) -> bool:
        """Return whether a search finds a prompt; without a word it finds none."""
        indexed = index_words(prompt)
        return (
            any(self)
            and indexed.issuperset(self.words)
            and any(word.startswith(self.prefix) for word in indexed)
        )


def read_query(query: str) -> SearchWords:
    """Return the distinct words of a query, longest first, since long words tend to be rare.

    Args:
        query: As a user types it. `*` right after the last word makes it a prefix.
    """
    runs = split_runs(query)
    words = {word for run in runs for word in _read_run(run)}
    prefix = ""
    # folded first: Japanese keyboards send a full-width asterisk
    folded = fold(query).rstrip()
    if folded.endswith("*") and split_runs(folded[-2:-1]) and _can_be_prefix(runs[-1]):
        prefix = runs[-1][:MAX_WORD_LENGTH]
        words = {word for run in runs[:-1] for word in _read_run(run)}
    return SearchWords(tuple(sorted(words, key=lambda word: (-len(word), word))), prefix)


def _read_run(run: str) -> list[str]:
    if not _is_unspaced(run):
        return [run[:MAX_WORD_LENGTH]]
    return [first + second for first, second in pairwise(run)] or [run]


def _can_be_prefix(run: str) -> bool:
    return not _is_unspaced(run) and len(run) >= MIN_PREFIX_LENGTH


def _check_query(query: str) -> str:
    words, prefix = read_query(query)
    if len(words) + bool(prefix) > MAX_QUERY_WORDS:
        raise ValueError(f"must hold at most {MAX_QUERY_WORDS} words")
    return query


def _check_time(value: object) -> object:
    # pydantic also accepts numbers and dates
    if isinstance(value, str) and _TIME.fullmatch(value) is None:
        raise ValueError("must be a time with its offset, as RFC 3339 writes it")
    return value


def _to_utc(time: datetime) -> datetime:
    try:
        # no image is older, and MySQL supports no time before the year 1000
        return max(time.astimezone(UTC), _EPOCH)
    except OverflowError as error:
        raise ValueError("must be a time within the years 1 to 9999") from error


def _read_flag(value: object) -> object:
    # pydantic also accepts yes, on, 1 and more
    if isinstance(value, str) and value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value


# the length is checked first, since splitting words takes time
Query = Annotated[
    str, Field(min_length=1, max_length=MAX_QUERY_LENGTH), AfterValidator(_check_query)
]
Time = Annotated[AwareDatetime, BeforeValidator(_check_time), AfterValidator(_to_utc)]


class ImageFilter(BaseModel):
    """The filters of a list; an image must match all that are given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: Query | None = Field(
        None,
        description="Words that the prompt contains, in any order. Case and accents are ignored. "
        "`*` right after the last word, of two letters or more, matches any ending.",
        examples=["light* dusk"],
    )
    visibility: Visibility | None = Field(None, description="Only images of this visibility.")
    mine: Annotated[bool, BeforeValidator(_read_flag)] = Field(
        False, description="Only the caller's own images."
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
        """The words of `q`; None without it."""
        return None if self.q is None else read_query(self.q)
