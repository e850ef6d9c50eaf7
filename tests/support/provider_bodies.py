"""Reads the bodies of requests as clients send them: chunked, and multipart with files."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from io import BufferedIOBase
from typing import Any

NUMBERS = ("n", "output_compression", "partial_images")
"""Members that a multipart body has as text."""


@dataclass(frozen=True)
class Part:
    """One part of a multipart body.

    Attributes:
        name: The name of the form's field.
        filename: None for a text.
        media_type: What the client calls it; None if it doesn't.
        content: Its bytes.
    """

    name: str
    filename: str | None
    media_type: str | None
    content: bytes

    @property
    def sha256(self) -> str:
        """The hash of its bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_file(self) -> bool:
        """Whether it is an image or a mask."""
        return self.filename is not None

    def describe(self) -> dict[str, object]:
        """Return what it is, as JSON has a form for it."""
        if not self.is_file:
            return {"name": self.name, "text": self.content.decode()}
        return {
            "name": self.name,
            "filename": self.filename,
            "media_type": self.media_type,
            "bytes": len(self.content),
            "sha256": self.sha256,
        }


def read_body(headers: Message, stream: BufferedIOBase) -> bytes:
    """Return a request's body, be it of a known length or chunked (RFC 9112, section 7.1)."""
    if headers["Transfer-Encoding"] != "chunked":
        return stream.read(int(headers["Content-Length"]))
    pieces = []
    while size := int(stream.readline().partition(b";")[0], 16):
        pieces.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():  # trailers
        pass
    return b"".join(pieces)


def read_parts(headers: Message, body: bytes) -> tuple[Part, ...]:
    """Return the parts of a multipart body (RFC 7578) in their order.

    Raises:
        ValueError: It has no boundary, no end, or a part without a name.
    """
    boundary = headers.get_boundary()
    if boundary is None:
        raise ValueError("no boundary")
    _, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not sections or not sections.pop().startswith(b"--"):
        raise ValueError("no end")
    return tuple(map(_read_part, sections))


def read_texts(parts: Iterable[Part]) -> dict[str, Any]:
    """Return the texts among the parts, as a JSON body would hold them."""
    texts = {part.name: part.content.decode() for part in parts if not part.is_file}
    return {
        name: int(text) if name in NUMBERS else text == "true" if name == "stream" else text
        for name, text in texts.items()
    }


def _read_part(section: bytes) -> Part:
    head, _, content = section.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    fields = message_from_string(head.decode())
    name = fields.get_param("name", header="Content-Disposition")
    if name is None:
        raise ValueError("a part without a name")
    media_type = fields.get_content_type() if "Content-Type" in fields else None
    return Part(str(name), fields.get_filename(), media_type, content)
