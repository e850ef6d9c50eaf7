"""Archives for tests: of one user and images, whole or with entries of other programs."""

import hashlib
import io
import sys
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tarfile import TarInfo
from typing import Any

from pixy_core import ImageSource, Purchase, SourceRole, Visibility
from pixy_data import ArchivedImage, ArchivedUser, ArchiveHead, ArchiveWriter

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TIME = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
HEAD = ArchiveHead(created_at=TIME, schema_revision="0008")
ANN = ArchivedUser(username="ann", class_key="red", disabled=False, created_at=TIME)


def make_line(number: int, content: bytes, **changes: Any) -> ArchivedImage:
    """Return the line of an image of ann's with everything that a row can say."""
    guid = str(uuid.UUID(int=number, version=4))
    values: dict[str, Any] = {
        "guid": guid,
        "filename": f"{guid}.png",
        "owner": "ann",
        "prompt": f"a lighthouse 🦩, no. {number}\n\ttab",
        "visibility": Visibility.CLASS,
        "created_at": TIME + timedelta(microseconds=number),
        "updated_at": TIME + timedelta(days=1, microseconds=number),
        "media_type": "image/png",
        "width": 1024,
        "height": 1536,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "generator": "openai",
        "model": "gpt-image-2.6-flare",
        "purchase": Purchase(
            size="1024x1536",
            reported={"quality": "high"},
            usage={"total_tokens": 4242, "cost": 0.1},
            upstream_request_id="req-1",
        ),
        "sources": (
            ImageSource(guid=str(uuid.UUID(int=7)), sha256="ab" * 32, role=SourceRole.IMAGE),
            ImageSource(guid=str(uuid.UUID(int=8)), sha256="cd" * 32, role=SourceRole.MASK),
        ),
    }
    return ArchivedImage(**values | changes)


def make_archive(count: int, *, size: int = 1000) -> bytes:
    """Return an archive of ann with so many images."""
    contents = [f"image {number}".encode().ljust(size) for number in range(count)]
    return pack_images(
        (make_line(number, content), content) for number, content in enumerate(contents)
    )


def pack_images(images: Iterable[tuple[ArchivedImage, bytes]], user: ArchivedUser = ANN) -> bytes:
    """Return an archive of one user with these images."""
    file = io.BytesIO()
    with ArchiveWriter(file, HEAD) as writer:
        writer.add_user(user)
        for line, content in images:
            writer.add_image(line, content)
        writer.finish()
    return file.getvalue()


def unpack(archive: bytes) -> bytes:
    """Return the tar file in an archive."""
    return zstd.decompress(archive)


def pack(entries: Iterable[tuple[TarInfo, bytes]]) -> bytes:
    """Return an archive of any entries, as another program would write it."""
    blocks = [
        block
        for entry, content in entries
        for block in (entry.tobuf(), content, bytes(-len(content) % 512))
    ]
    return zstd.compress(b"".join([*blocks, bytes(1024)]))


def read_entries(archive: bytes) -> list[tuple[TarInfo, bytes]]:
    """Return the entries of an archive, for tests that change one."""
    tar, found = unpack(archive), []
    while any(header := tar[:512]):
        entry = TarInfo.frombuf(header, "utf-8", "strict")
        end = 512 + entry.size
        found.append((entry, tar[512:end]))
        tar = tar[end + -entry.size % 512 :]
    return found


def change_archive(archive: Path, change: Callable[[list[bytes]], None]) -> None:
    """Change the contents of the entries of an archive, as another program might."""
    entries = read_entries(archive.read_bytes())
    contents = [content for _, content in entries]
    change(contents)
    for (entry, _), content in zip(entries, contents, strict=True):
        entry.size = len(content)
    archive.write_bytes(
        pack((entry, content) for (entry, _), content in zip(entries, contents, strict=True))
    )
