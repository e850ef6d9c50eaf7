"""The images that an image is made from: found for the caller, checked, and kept open.

The generator gets paths of open descriptors, so it can read a source that is deleted meanwhile
(docs/decisions/0016-edits-and-uploads.md).
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from pixy_core import (
    ContentDamagedError,
    Image,
    ImageDetailCreate,
    ImageRequest,
    ImageSource,
    InvalidInputError,
    RecordNotFoundError,
    SourceRole,
    User,
)
from pixy_data import LocalFile
from pixy_service.generators.interface import SourceFile
from pixy_service.pixels.inspection import ImageProperties
from pixy_service.pixels.uploads import decode_file, has_transparency
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)


class OpenSources(NamedTuple):
    """What an image is made from.

    Attributes:
        records: What is kept of them with the image, the mask last.
        files: Their files, without the mask.
        mask: The mask's file.
    """

    records: tuple[ImageSource, ...] = ()
    files: tuple[SourceFile, ...] = ()
    mask: SourceFile | None = None


class _Source(NamedTuple):
    image: Image
    file: LocalFile


@contextmanager
def open_sources(
    stores: ImageStores, request: ImageDetailCreate, user: User
) -> Iterator[OpenSources]:
    """Open the sources and the mask of a request until the block is left.

    Args:
        stores: Rows and files.
        request: A validated request.
        user: Who asks.

    Raises:
        RecordNotFoundError: One of them is no image that the user may see.
        InvalidInputError: The mask is not a PNG with an alpha channel, or not as large as the
            first source.
        ContentDamagedError: A file is missing, or differs from its row.
        StorageUnavailableError: A file can't be read.
    """
    if not isinstance(request, ImageRequest) or not request.sources:
        yield OpenSources()
        return
    with ExitStack() as stack:
        # all of them are found before any is read: a file has 50 MB
        images = [_find(stores, guid, user) for guid in request.sources]
        mask = None if request.mask is None else _find(stores, request.mask, user)
        opened = [_open(stores, image, user, stack) for image in images]
        records = [_record(image, SourceRole.IMAGE) for image in images]
        masked = None
        if mask is not None:
            _check_size(mask, images[0])
            masked = _open(stores, mask, user, stack)
            _check_alpha(masked.file)
            records.append(_record(mask, SourceRole.MASK))
        yield OpenSources(
            tuple(records),
            tuple(_describe(source) for source in opened),
            None if masked is None else _describe(masked),
        )


def _find(stores: ImageStores, guid: str, user: User) -> Image:
    image = stores.images.find_visible_image(guid, user)
    if image is None:
        raise RecordNotFoundError
    return image


def _open(stores: ImageStores, image: Image, user: User, stack: ExitStack) -> _Source:
    try:
        file = stack.enter_context(stores.content.open_locally(image))
    except ContentDamagedError:
        # the owner may have deleted it since the row was read
        _find(stores, image.guid, user)
        # the traceback is for the handler of the exception
        logger.error("the file of image %s is missing or damaged", image.guid)  # noqa: TRY400
        raise
    return _Source(image, file)


def check_mask(
    mask: Image | ImageProperties, first: Image | ImageProperties, file: LocalFile
) -> None:
    """Return if a mask fits the first source.

    Raises:
        InvalidInputError: It is not a PNG with an alpha channel, or not as large.
        StorageUnavailableError: There is not enough memory to tell.
    """
    _check_size(mask, first)
    _check_alpha(file)


def _check_size(mask: Image | ImageProperties, first: Image | ImageProperties) -> None:
    is_png = mask.media_type == "image/png"
    if not is_png or (mask.width, mask.height) != (first.width, first.height):
        raise _refusal()


def _check_alpha(file: LocalFile) -> None:
    """Refuse a mask without an alpha channel; one mask at a time is in memory."""
    if not decode_file(lambda: has_transparency(file.read())):
        raise _refusal()


def _refusal() -> InvalidInputError:
    reason = "must be a PNG with an alpha channel, as large as the first source"
    return InvalidInputError(((("mask",), reason),))


def _record(image: Image, role: SourceRole) -> ImageSource:
    return ImageSource(guid=image.guid, sha256=image.sha256 or "", role=role)


def _describe(source: _Source) -> SourceFile:
    image = source.image
    return SourceFile(
        _name_descriptor(source.file.fileno()),
        image.media_type or "",
        image.width or 0,
        image.height or 0,
    )


def _name_descriptor(descriptor: int) -> Path:
    """Return the path by which this process and its children can open an open file once more."""
    path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    # systems other than Linux have no such folder
    return path if path.exists() else Path(f"/dev/fd/{descriptor}")
