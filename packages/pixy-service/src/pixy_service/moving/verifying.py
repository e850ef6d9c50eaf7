"""Reads an archive to its end, compares each file with its line, and changes nothing."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from pixy_core import GeneratorResponseError
from pixy_data import ArchivedUser, ArchiveReader, ImageEntry, open_archive
from pixy_service.checking import Finding, FindingKind
from pixy_service.pixels.inspection import read_properties
from pixy_service.validation import validate_username


class ArchiveCheck:
    """Checks one archive. One image is in memory at a time, at most twice.

    Args:
        source: The archive: its path, or an open pipe.
        names: Names of users that the archive should have.
        on_progress: Called after each image.

    Attributes:
        users: Number of users so far.
        images: Number of images so far.
        left_out: Number of images that an import would leave out.
    """

    def __init__(
        self,
        source: Path | BinaryIO,
        *,
        names: Iterable[str] = (),
        on_progress: Callable[["ArchiveCheck"], None] = lambda _: None,
    ) -> None:
        self._source = source
        self._unused = {validate_username(name) for name in names}
        self._on_progress = on_progress
        self.users = self.images = self.left_out = 0

    def run(self) -> Iterator[Finding]:
        """Read everything, and yield each image and name that an import would leave out.

        Raises:
            ArchiveError: The archive is not complete, or damaged.
        """
        owner = ""
        with open_source(self._source) as file, ArchiveReader(file) as reader:
            for entry in reader.read():
                if isinstance(entry, ArchivedUser):
                    self.users += 1
                    owner = entry.username
                    self._unused.discard(owner)
                else:
                    yield from self._check_image(entry, owner)
                # or its bytes stay until the next ones are read
                del entry
        yield from list_unused(self._unused)

    def _check_image(self, entry: ImageEntry, owner: str) -> Iterator[Finding]:
        self.images += 1
        fault = find_fault(entry, owner)
        if fault is not None:
            self.left_out += 1
            yield describe_fault(fault, entry)
        self._on_progress(self)


def open_source(source: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Open an archive by its path; a pipe is open already, and stays open."""
    return open_archive(source) if isinstance(source, Path) else nullcontext(source)


def find_fault(entry: ImageEntry, owner: str) -> FindingKind | None:
    """Return what is wrong with an image of an archive; None: nothing.

    Args:
        entry: The image.
        owner: The last user before it.
    """
    image, content = entry.image, entry.content
    if image is None or image.owner != owner:
        return FindingKind.INVALID
    if content is None:
        return FindingKind.CORRUPT
    try:
        properties = read_properties(content)
    except GeneratorResponseError:
        return FindingKind.INVALID
    # a browser would be told another type than that of the bytes
    is_true = properties == (image.media_type, image.width, image.height)
    return None if is_true else FindingKind.INVALID


def list_unused(names: Iterable[str]) -> Iterator[Finding]:
    """Yield a finding for each name of a user that an archive does not have."""
    for name in sorted(names):
        yield Finding.of(FindingKind.UNUSED, "", f"user {name}")


def describe_fault(fault: FindingKind, entry: ImageEntry) -> Finding:
    """Return the finding about an image of an archive."""
    return Finding.of(fault, entry.guid, f"image {entry.guid}")
