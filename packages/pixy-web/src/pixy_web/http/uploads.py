"""Uploads: the body is an image file, or a form with one (multipart/form-data, RFC 7578).

A file is written to a spooled file while it arrives; at most a block of it is in memory.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, aclosing
from dataclasses import dataclass
from email.message import Message

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import FileTooLargeError, InvalidInputError
from pixy_core.images import IMAGE_EXTENSIONS
from pixy_service import Created, PrivateImageService, SpooledFile, Uploaded
from pixy_web.http.creations import created_response
from pixy_web.http.form_parts import FormPart, FormParts, PartEnd, PartStart
from pixy_web.http.known_names import check_names
from pixy_web.http.prefer import Preference
from pixy_web.http.request_body import receive_body
from pixy_web.runtime import get_runtime
from pixy_web.threads.threads import Threads

FORM = "multipart/form-data"
# curl's default type for `--data-binary` is the last one
RAW_TYPES = (
    *IMAGE_EXTENSIONS,
    "application/octet-stream",
    "application/x-www-form-urlencoded",
)
CAPTION = "prompt"
FILE = "file"

_BLOCK = 1 << 20
"""Bytes of a file that are written at once."""

_FRAME = 64 * 1024
"""Bytes of a form around its files and values."""

OpenFile = Callable[[int | None], SpooledFile]
"""Opens a spooled file for so many bytes, or an unknown number."""


@dataclass(frozen=True)
class FormFile:
    """A file of a form, and the name that the client gave it."""

    file: SpooledFile
    filename: str | None


@dataclass(frozen=True)
class FormRules:
    """What a form may contain.

    Attributes:
        files: Names of parts that are files.
        values: Names of parts that are text.
        max_files: Number of files in all.
    """

    files: tuple[str, ...]
    values: tuple[str, ...]
    max_files: int


class Form(AbstractContextManager["Form"]):
    """A received form; leaving the block closes its files.

    Attributes:
        values: The texts by name.
        files: The files by name, in their order.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.files: dict[str, list[FormFile]] = {}
        self._stack = ExitStack()

    def add_file(self, name: str, filename: str | None, file: SpooledFile) -> None:
        """Add a file, which the form closes."""
        self._stack.enter_context(file)
        self.files.setdefault(name, []).append(FormFile(file, filename))

    def __exit__(self, *_: object) -> None:
        self._stack.close()


async def receive_upload(request: Request, images: PrivateImageService) -> Uploaded:
    """Receive the image of a request, and keep it.

    Raises:
        HTTPException: 400 for a broken form, 408 for a body that is too slow, 415 for another
            media type or any content coding.
        FileTooLargeError: The file has too many bytes.
        InvalidInputError: It is not an image, or the form lacks it.
        RequestValidationError: A parameter or a part is unknown or invalid.
        UploadsBusyError: Too many uploads are being received.
    """
    caption = _read_caption(request, images)
    runtime = get_runtime(request)
    kind = _read_media_type(request)
    with runtime.upload_places.take(images.username):
        if kind == FORM:
            rules = FormRules((FILE,), (CAPTION,), 1)
            form = await receive_form(request, images.open_upload, rules)
        else:
            form = await _receive_file(request, images.open_upload)
        with form:
            if FILE not in form.files:
                raise InvalidInputError((((FILE,), "must be given"),))
            if caption is not None and CAPTION in form.values:
                raise InvalidInputError((((CAPTION,), "must be given once"),))
            (received,) = form.files[FILE]
            caption = form.values.get(CAPTION, caption)

            def keep() -> Uploaded:
                # freeing its blocks takes a while, so the file is closed here
                with received.file as file:
                    return images.keep_upload(file, caption, received.filename)

            return await runtime.pools.uploads.run(keep)


async def receive_form(request: Request, open_file: OpenFile, rules: FormRules) -> Form:
    """Receive a form, whose files are written to the disk while they arrive.

    Args:
        request: A request of the media type FORM; its body has not been read.
        open_file: Opens the spooled file of a part.
        rules: What the form may contain.

    Returns:
        The form, for the caller to leave.

    Raises:
        HTTPException: 400, 408 or 413.
        FileTooLargeError: A file has too many bytes.
        InvalidInputError: A part is given twice, or is a file where it should be text.
        RequestValidationError: A part is unknown.
    """
    runtime = get_runtime(request)
    parts = FormParts(request.headers["content-type"])
    most = rules.max_files * runtime.max_upload_size + runtime.max_body_size + _FRAME
    receiver = _FormReceiver(runtime.pools.uploads, open_file, rules, runtime.max_body_size)
    try:
        async with aclosing(receive_body(request, most)) as chunks:
            async for chunk in chunks:
                for piece in parts.feed(chunk):
                    await receiver.take(piece)
        parts.finish()
    except BaseException:
        receiver.form.__exit__()
        raise
    return receiver.form


def uploaded_response(request: Request, uploaded: Uploaded) -> Response:
    """Return what an upload made: 201, 200 for an image that was there, 202 for one that waits."""
    response = created_response(request, Created(uploaded.image), Preference())
    if not uploaded.is_new:
        response.status_code = 200
    return response


class _FileWriter:
    """Collects the bytes of a file, and writes them in blocks in a thread."""

    def __init__(self, threads: Threads, file: SpooledFile) -> None:
        self._threads = threads
        self._file = file
        self._block = bytearray()

    async def write(self, data: bytes) -> None:
        self._block += data
        if len(self._block) >= _BLOCK:
            await self.flush()

    async def flush(self) -> None:
        block, self._block = self._block, bytearray()
        await self._threads.run(self._file.write, block)


class _FormReceiver:
    """Turns the pieces of a form into its texts and files."""

    def __init__(
        self, threads: Threads, open_file: OpenFile, rules: FormRules, max_text: int
    ) -> None:
        self.form = Form()
        self._threads = threads
        self._open_file = open_file
        self._rules = rules
        self._text_left = max_text
        self._files = 0
        self._part = PartStart("", None)
        self._text = bytearray()
        self._writer: _FileWriter | None = None

    async def take(self, piece: FormPart) -> None:
        if isinstance(piece, PartStart):
            await self._start(piece)
        elif isinstance(piece, PartEnd):
            await self._end()
        elif self._writer is not None:
            await self._writer.write(piece)
        else:
            self._text_left -= len(piece)
            if self._text_left < 0:
                raise HTTPException(413, "The texts of the form are too large")
            self._text += piece

    async def _start(self, part: PartStart) -> None:
        name, known = part.name, self._rules
        check_names("body", [name], (*known.files, *known.values))
        self._part, self._text, self._writer = part, bytearray(), None
        if name in known.values:
            if part.filename is not None:
                raise InvalidInputError((((name,), "must be text, not a file"),))
            if name in self.form.values:
                raise InvalidInputError((((name,), "must be given once"),))
            return
        if part.filename is None:
            raise InvalidInputError((((name,), "must be a file"),))
        self._files += 1
        if self._files > known.max_files:
            reason = "must be given once" if known.max_files == 1 else "are too many files"
            raise InvalidInputError((((name,), reason),))
        file = await self._threads.run(self._open_file, None)
        self.form.add_file(name, part.filename, file)
        self._writer = _FileWriter(self._threads, file)

    async def _end(self) -> None:
        if self._writer is not None:
            await self._writer.flush()
            return
        name = self._part.name
        try:
            self.form.values[name] = self._text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInputError((((name,), "must be valid Unicode"),)) from error


async def _receive_file(request: Request, open_file: OpenFile) -> Form:
    """Receive a body that is a file, as a form that has only this file."""
    runtime = get_runtime(request)
    threads, form = runtime.pools.uploads, Form()
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() else None
    if size is not None and size > runtime.max_upload_size:
        raise FileTooLargeError
    try:
        form.add_file(FILE, None, await threads.run(open_file, size))
        writer = _FileWriter(threads, form.files[FILE][0].file)
        async with aclosing(receive_body(request, runtime.max_upload_size)) as chunks:
            async for chunk in chunks:
                await writer.write(chunk)
        await writer.flush()
    except BaseException:
        form.__exit__()
        raise
    return form


def _read_caption(request: Request, images: PrivateImageService) -> str | None:
    given = request.query_params
    check_names("query", given, (CAPTION,))
    captions = given.getlist(CAPTION)
    if not captions:
        return None
    try:
        if len(captions) > 1:
            raise InvalidInputError((((CAPTION,), "must be given once"),))
        images.check_caption(captions[0])
    except InvalidInputError as error:
        problems = [{"loc": ("query", *where), "msg": why} for where, why in error.errors]
        raise RequestValidationError(problems) from error
    return captions[0]


def _read_media_type(request: Request) -> str:
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    kind = header.get_content_type()
    if kind not in (*RAW_TYPES, FORM) or "content-encoding" in request.headers:
        accepted = ", ".join((*RAW_TYPES, FORM))
        raise HTTPException(415, f"The body must be one of {accepted}", {"Accept": accepted})
    return kind
