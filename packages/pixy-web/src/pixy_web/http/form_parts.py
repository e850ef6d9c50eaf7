"""The parts of a form (multipart/form-data, RFC 7578), as its bytes arrive."""

from collections.abc import Callable
from typing import NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException

_MOST_PARTS = 64
"""More than any form has that is read here."""


class PartStart(NamedTuple):
    """A part begins: its name, and the name of its file if it is one."""

    name: str
    filename: str | None


class PartEnd(NamedTuple):
    """A part is complete."""


FormPart = PartStart | PartEnd | bytes
"""A piece of a form; bytes belong to the part that has started."""


class FormParts:
    """Splits a form into pieces.

    Args:
        content_type: The request's header.

    Raises:
        HTTPException: 400 from every method, the form is malformed.
    """

    def __init__(self, content_type: str) -> None:
        _, options = parse_options_header(content_type)
        self._pieces: list[FormPart] = []
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._parts = 0
        self._is_complete = False
        callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._start_part,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._complete,
        }
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]
        except (KeyError, FormParserError) as error:
            raise _refusal() from error

    def feed(self, chunk: bytes) -> list[FormPart]:
        """Return the pieces that end in a chunk."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _refusal() from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """Return if the last boundary was there."""
        if not self._is_complete:
            raise _refusal()

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise HTTPException(400, "The form has too many parts")
        self._headers.clear()

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _start_part(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        name, filename = options.get(b"name"), options.get(b"filename")
        if kind != b"form-data" or name is None:
            raise _refusal()
        try:
            self._pieces.append(
                PartStart(name.decode(), None if filename is None else filename.decode())
            )
        except UnicodeDecodeError as error:
            raise _refusal() from error

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _end_part(self) -> None:
        self._pieces.append(PartEnd())

    def _complete(self) -> None:
        self._is_complete = True


def _refusal() -> HTTPException:
    return HTTPException(400, "The form is malformed")
