"""The lines of an archive, one JSON document each, and the names of its entries.

In this order: the head; each user, and after a user the images of it, each a line and its file;
the end. An archive is a tar file, compressed by Zstandard.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    TypeAdapter,
    model_validator,
)

from pixy_core import (
    ClassKey,
    DetailedImage,
    Guid,
    ImageDetail,
    ImageSource,
    Prompt,
    Purchase,
    Username,
    Visibility,
)
from pixy_core.images import (
    IMAGE_EXTENSIONS,
    MAX_SOURCES,
    MAX_USAGE_BYTES,
    MAX_USAGE_LEVELS,
)
from pixy_core.users import check_label
from pixy_data.content.names import FILENAME
from pixy_data.images import FileRecord
from pixy_data.keyset import OLDEST

VERSION: Final = 1
"""The version of the format. Every change of an entry or a member is a new one."""

HEAD, END = "pixy-archive.json", "end.json"
USER = re.compile(r"users/\d{8}\.json", re.ASCII)
LINE = re.compile(r"images/([0-9a-f-]{36})\.json", re.ASCII)

MAX_LINE = 1024 * 1024
"""Bytes of a line. The longest prompt has 128,000."""

MAX_FILE = 64 * 1024 * 1024
"""Bytes of an image file; no larger one is stored."""

PART = 1024 * 1024
"""Bytes that are compressed or decompressed at once; both take a copy of them."""

_MAX_AHEAD = timedelta(days=1)
_SHA256 = "^[0-9a-f]{64}$"
_is_sha256 = re.compile(_SHA256).fullmatch


def _to_utc(time: datetime) -> datetime:
    try:
        time = time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time within the years 1 to 9999") from error
    if time < OLDEST:
        raise ValueError("must not be before 1970")
    return time


_Time = Annotated[AwareDatetime, AfterValidator(_to_utc)]
_Word = Annotated[StrictStr, Field(max_length=255)]
_Label = Annotated[_Word, AfterValidator(check_label)]
_check_request_id = TypeAdapter(_Label).validate_python


def _refuse_unknown(kind: type[BaseModel], value: Any) -> None:
    if isinstance(value, dict) and value.keys() - kind.model_fields.keys():
        raise ValueError("must not have a member that is not known")


def _check_purchase(value: Any) -> Any:
    _refuse_unknown(Purchase, value)
    return value


def _check_sources(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    for source in value:
        _refuse_unknown(ImageSource, source)
    return tuple(value)


def _check_usage(usage: dict[str, Any]) -> None:
    # JSON has no form for infinity
    size = len(json.dumps(usage, allow_nan=False))
    if size > MAX_USAGE_BYTES or _count_levels(usage) > MAX_USAGE_LEVELS:
        raise ValueError("the usage must not be larger or deeper than one that a provider reports")


def _count_levels(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_count_levels, parts), default=0)


class Record(BaseModel):
    """What a line of an archive says. A member that is not known is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def to_line(self) -> bytes:
        """Return the line."""
        return self.model_dump_json().encode() + b"\n"


class ArchiveHead(Record):
    """The first entry.

    Attributes:
        format: Tells an archive from other files.
        version: Of the format.
        created_at: When the archive was begun.
        schema_revision: Of the tables that the rows come from.
        classes: The classes that were asked for; empty: all.
        users: The users that were asked for; empty: all.
        query: The words that were asked for; None: any.
    """

    format: Literal["pixy-archive"] = "pixy-archive"
    version: Literal[1] = VERSION
    created_at: _Time
    schema_revision: _Word
    classes: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    query: str | None = None


class ArchivedUser(Record):
    """A user without a password and without API keys."""

    username: Username
    class_key: ClassKey
    disabled: bool
    created_at: _Time


class ArchivedImage(Record):
    """Everything that the row of an image says, and its sources."""

    guid: Guid
    filename: StrictStr
    owner: Username
    prompt: Prompt
    visibility: Visibility
    created_at: _Time
    updated_at: _Time
    media_type: StrictStr
    width: int = Field(ge=1, lt=2**31)
    height: int = Field(ge=1, lt=2**31)
    size: int = Field(ge=1, le=MAX_FILE)
    sha256: StrictStr = Field(pattern=_SHA256)
    generator: _Label
    model: _Label
    purchase: Annotated[Purchase | None, BeforeValidator(_check_purchase)]
    sources: Annotated[
        tuple[ImageSource, ...],
        Field(max_length=MAX_SOURCES + 1),
        BeforeValidator(_check_sources),
    ]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.filename != f"{self.guid}.{IMAGE_EXTENSIONS.get(self.media_type)}":
            raise ValueError("the file name must be that of the guid and the media type")
        if not all(_is_sha256(source.sha256) for source in self.sources):
            raise ValueError("the hash of a source must be one")
        return self

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        # the clocks of two machines differ; such an image would stay the newest for long
        if self.created_at > datetime.now(UTC) + _MAX_AHEAD:
            raise ValueError("the time must not be in the future")
        purchase = self.purchase
        if purchase is not None and purchase.usage is not None:
            _check_usage(purchase.usage)
        if purchase is not None and purchase.upstream_request_id is not None:
            _check_request_id(purchase.upstream_request_id)
        return self

    @classmethod
    def of(cls, image: DetailedImage, sources: list[ImageSource]) -> Self:
        """Return the line of an image.

        Raises:
            ValueError: Its row breaks a rule.
        """
        values = {name: getattr(image, name) for name in cls.model_fields if name != "sources"}
        return cls(**values, sources=tuple(sources))

    @property
    def detail(self) -> ImageDetail:
        """The details from which a row is made."""
        return ImageDetail(**{name: getattr(self, name) for name in ImageDetail.model_fields})

    @property
    def record(self) -> FileRecord:
        """What the row says of the file."""
        return FileRecord(self.guid, self.filename, self.size, self.sha256)

    def is_same(self, image: DetailedImage, sources: list[ImageSource]) -> bool:
        """Return whether an image is this one; its owner and visibility may be others."""
        names = set(type(self).model_fields) - {"owner", "visibility", "updated_at", "sources"}
        return tuple(sources) == self.sources and all(
            getattr(image, name) == getattr(self, name) for name in names
        )


class ArchiveEnd(Record):
    """The last entry, which proves that an archive is complete.

    Attributes:
        users: The number of users.
        images: The number of images.
        bytes: The size of all image files.
        sha256: The hash of all lines before this one, one after the other.
    """

    users: int
    images: int
    bytes: int
    sha256: StrictStr


def name_user(number: int) -> str:
    """Return the name of the entry of a user, by its number from 1 on."""
    return f"users/{number:08}.json"


def name_line(guid: str) -> str:
    """Return the name of the line of an image."""
    return f"images/{guid}.json"


def name_file(filename: str) -> str:
    """Return the name of the file of an image."""
    return f"images/{filename}"


def find_file(name: str) -> str | None:
    """Return the guid in the name of an image's file; None if it is another name."""
    folder, _, filename = name.rpartition("/")
    match = FILENAME.fullmatch(filename) if folder == "images" else None
    return None if match is None else match[1]
