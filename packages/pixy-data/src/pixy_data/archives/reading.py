"""Reads an archive from start to end, one image in memory at a time, and trusts nothing in it.

No path of an archive is used, no size is believed before it is bounded, and an entry that
PixyProxy does not write (a link, a folder, a device, a longer name) ends the reading.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tarfile import BLOCKSIZE, RECORDSIZE, REGTYPE, HeaderError, TarInfo
from typing import BinaryIO, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ValidationError

from pixy_core import ArchiveError
from pixy_data.archives.compression import ZstdError, open_decompressed
from pixy_data.archives.records import (
    END,
    HEAD,
    LINE,
    MAX_FILE,
    MAX_LINE,
    PART,
    USER,
    VERSION,
    ArchivedImage,
    ArchivedUser,
    ArchiveEnd,
    ArchiveHead,
    find_file,
)

M = TypeVar("M", bound=BaseModel)


class ImageEntry(NamedTuple):
    """An image of an archive.

    Attributes:
        guid: By the name of its entries.
        image: Its line; None if that breaks a rule.
        content: Its bytes; None if they don't agree with the line.
    """

    guid: str
    image: ArchivedImage | None
    content: bytes | None


class _Version(BaseModel):
    """The members of the head that every version has."""

    format: str
    version: int


class ArchiveReader:
    """Reads one archive. Its methods raise ArchiveError when it is not one, or not a whole one.

    Attributes:
        head: The first entry.
        users: Number of users so far.
        images: Number of images so far.
        bytes: The size of their files.

    Args:
        file: An open file or pipe, which stays open.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._digest = hashlib.sha256()
        self.users = self.images = self.bytes = 0
        self._stream = open_decompressed(file)
        try:
            self.head = self._read_head()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self) -> Iterator[ArchivedUser | ImageEntry]:
        """Yield the users, each before its own images; the end is checked after the last one."""
        while (entry := self._read_entry()).name != END:
            if USER.fullmatch(entry.name):
                self.users += 1
                yield self._parse(ArchivedUser, self._read_line(entry))
            else:
                yield self._read_image(entry)
        self._check_end(self._parse(ArchiveEnd, self._read_content(entry, MAX_LINE)))

    def _read_head(self) -> ArchiveHead:
        entry = self._read_entry()
        if entry.name != HEAD:
            raise self._fail("is not one of PixyProxy")
        line = self._read_line(entry)
        version = self._parse(_Version, line)
        if version.version != VERSION:
            raise ArchiveError(
                f"The archive has the format {version.version}, and this version of PixyProxy "
                f"reads {VERSION}: use the version that wrote it, or a newer one"
            )
        return self._parse(ArchiveHead, line)

    def _read_image(self, entry: TarInfo) -> ImageEntry:
        match = LINE.fullmatch(entry.name)
        if match is None:
            raise self._fail("has an entry of another program")
        image = _validate(ArchivedImage, self._read_line(entry))
        file = self._read_entry()
        if find_file(file.name) != match[1]:
            raise self._fail("lacks the file of an image")
        content = self._read_content(file, MAX_FILE)
        self.images += 1
        self.bytes += len(content)
        if image is None or image.filename != file.name.rpartition("/")[2]:
            return ImageEntry(match[1], None, None)
        digest = hashlib.sha256(content).hexdigest()
        is_whole = (len(content), digest) == (image.size, image.sha256)
        return ImageEntry(match[1], image, content if is_whole else None)

    def _check_end(self, end: ArchiveEnd) -> None:
        found = ArchiveEnd(
            users=self.users,
            images=self.images,
            bytes=self.bytes,
            sha256=self._digest.hexdigest(),
        )
        if found != end:
            raise self._fail("was changed: its end counts or hashes something else")
        # tar fills its last record with zeros
        rest = self._read(RECORDSIZE + BLOCKSIZE + 1)
        if any(rest) or not 2 * BLOCKSIZE <= len(rest) <= RECORDSIZE + BLOCKSIZE:
            raise self._fail("has no end, or goes on after it")

    def _read_entry(self) -> TarInfo:
        """Return the header of the next entry, which is a file."""
        header = self._read(BLOCKSIZE)
        try:
            if len(header) < BLOCKSIZE:
                raise EOFError
            entry = TarInfo.frombuf(header, "ascii", "strict")
        except EOFError as error:
            raise self._fail("is not complete: it ends") from error
        except (HeaderError, UnicodeError) as error:
            raise self._fail("is damaged") from error
        if entry.type != REGTYPE:
            raise self._fail("has an entry that is not a file")
        return entry

    def _read_line(self, entry: TarInfo) -> bytes:
        line = self._read_content(entry, MAX_LINE)
        self._digest.update(line)
        return line

    def _read_content(self, entry: TarInfo, most: int) -> bytes:
        if not 0 <= entry.size <= most:
            raise self._fail(f"has an entry of more than {most} bytes")
        content = self._read(entry.size)
        padding = self._read(-entry.size % BLOCKSIZE)
        if len(content) + len(padding) < entry.size or len(padding) != -entry.size % BLOCKSIZE:
            raise self._fail("is not complete: it ends")
        return content

    def _parse(self, kind: type[M], line: bytes) -> M:
        record = _validate(kind, line)
        if record is None:
            raise self._fail("has a line that breaks the rules")
        return record

    def _read(self, size: int) -> bytes:
        # in parts: a part is decompressed apart. `getvalue` makes no copy
        content = io.BytesIO()
        try:
            while part := self._stream.read(min(PART, size - content.tell())):
                content.write(part)
            return content.getvalue()
        except EOFError as error:
            raise self._fail("is not complete: it ends") from error
        except ZstdError as error:
            raise self._fail("is damaged, or not compressed by Zstandard") from error
        except OSError as error:
            raise self._fail(f"can't be read ({error.strerror})") from error

    def _fail(self, what: str) -> ArchiveError:
        return ArchiveError(f"The archive {what}, after {self.images} images of {self.users} users")


def _validate(kind: type[M], line: bytes) -> M | None:
    try:
        return kind.model_validate_json(line)
    except ValidationError:
        # its text repeats the content
        return None


@contextmanager
def open_archive(path: Path) -> Iterator[BinaryIO]:
    """Open an archive for reading.

    Raises:
        ArchiveError: It can't be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path} can't be read: {error.strerror}") from error
    with file:
        yield file
