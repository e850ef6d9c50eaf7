"""Create the index of the words in prompts, and fill it with the existing images.

MySQL commits each DDL statement, so a migration that was killed leaves a part of the index behind:
it starts again from an empty table. How words were split when this migration was written is copied
here, because a migration must create the same rows for ever.
"""

import re
import unicodedata
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"

_MAX_WORDS, _MAX_WORD_LENGTH, _MAX_MARKS = 1000, 64, 30

# Unicode blocks: accents; Hebrew points and Arabic vowel signs, which most people don't write;
# variation selectors. Marks of other scripts are parts of their letters
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
_SCOPE = sa.String(70).with_variant(
    mysql.VARCHAR(70, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_WORD = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
# half as long as its text, in the key of a table with many rows
_GUID = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql")
_SELECT = """
    SELECT id, guid, prompt, created_at, owner, class_key, visibility FROM images
    WHERE id > :id ORDER BY id LIMIT 500
"""
_INSERT = """
    INSERT INTO image_words (scope, word, moment, guid, image_id)
    VALUES (:scope, :word, :moment, :guid, :image_id)
"""


def upgrade() -> None:
    """Create the table and fill it."""
    op.drop_table("image_words", if_exists=True)
    op.create_table(
        "image_words",
        sa.Column("scope", _SCOPE, nullable=False),
        sa.Column("word", _WORD, nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("guid", _GUID, nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "word", "moment", "guid", name="pk_image_words"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # the primary key is the table, as in InnoDB
        sqlite_with_rowid=False,
    )
    connection, last = op.get_bind(), 0
    while images := connection.execute(sa.text(_SELECT), {"id": last}).fetchall():
        rows = [row for image in images for row in _index(_Image(*image))]
        # in the order of the key, so that neighbours are written together
        rows.sort(key=lambda row: (row["scope"], row["word"], row["moment"]))
        if rows:
            connection.execute(sa.text(_INSERT), rows)
        last = images[-1][0]


class _Image(NamedTuple):
    id: int
    guid: str
    prompt: str
    created_at: str
    owner: str
    class_key: str
    visibility: str


def _index(image: _Image) -> Iterator[dict[str, Any]]:
    created_at = datetime.fromisoformat(f"{image.created_at}Z")
    microseconds = (created_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    for scope in _list_scopes(image):
        for word in islice(_split(image.prompt), _MAX_WORDS):
            yield {
                "scope": scope,
                "word": word,
                "moment": microseconds,
                "guid": uuid.UUID(image.guid).bytes,
                "image_id": image.id,
            }


def _list_scopes(image: _Image) -> list[str]:
    shared = {"public": ["public"], "class": [f"class:{image.class_key}"]}
    return [f"owner:{image.owner}", *shared.get(image.visibility, [])]


def _split(text: str) -> Iterator[str]:
    """Yield the different words of a text, in their order."""
    found: set[str] = set()
    for run in _runs.findall("".join(map(_keep_or_separate, _fold(text)))):
        for word in _split_run(run):
            if word not in found:
                found.add(word)
                yield word


def _split_run(run: str) -> Iterator[str]:
    if _unspaced.match(run) is None:
        yield run[:_MAX_WORD_LENGTH]
        return
    for first, second in pairwise(run):
        yield first
        yield first + second
    yield run[-1]


def _fold(text: str) -> str:
    composed = unicodedata.normalize("NFKC", _limit_marks(text))
    decomposed = unicodedata.normalize("NFKD", composed.casefold())
    return unicodedata.normalize("NFC", _accents.sub("", decomposed))


def _limit_marks(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if _begins_with_mark(character) else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _begins_with_mark(character: str) -> bool:
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


@lru_cache(maxsize=4096)
def _keep_or_separate(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf":  # soft hyphens and joiners are inside of words
        return ""
    return character if category[0] in "LMN" else " "
