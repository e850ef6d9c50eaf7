"""Requests for edits: their sources and masks, from a form or by reference in JSON.

An uploaded file becomes an upload of the caller, so that the sources of an image never dangle. A
reference is a guid, a data URL, or the URL of an image of this service: nothing is fetched.
"""

import base64
import re
from collections.abc import Mapping
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import Creation, ImagePendingError, InvalidInputError
from pixy_core.images import GUID_REGEX, MAX_SOURCES
from pixy_service import PrivateImageService, SpooledFile
from pixy_service.pixels.inspection import ImageProperties
from pixy_web.http.json_body import read_json_object
from pixy_web.http.mounting import path_for_client
from pixy_web.http.uploads import FORM, Form, FormFile, FormRules, receive_form
from pixy_web.http.v1.models import find_models
from pixy_web.http.v1.requests import KNOWN, Wanted, read_wanted
from pixy_web.runtime import get_runtime

JSON = "application/json"
MASK = "mask"
FILE_PARTS = ("image", "image[]")
"""Names of the parts that are sources: clients use the first for one, the second for several."""

MOST_JSON = 16 * 1024 * 1024
"""Bytes of a JSON body with data URLs, which is in memory as a whole."""

_RULES = FormRules((*FILE_PARTS, MASK), KNOWN, MAX_SOURCES + 1)
_DATA_URL = re.compile(r"data:image/[a-z]+;base64,", re.ASCII)
_OWN_PATH = re.compile(rf"/image/({GUID_REGEX})/content")


async def read_edit(request: Request, images: PrivateImageService) -> Wanted:
    """Receive a request for an edit, and keep its files as uploads.

    Raises:
        HTTPException: 400, 408, 413 or 415.
        PixyProxyException: A member, a file or a reference is invalid; nothing is kept.
    """
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "")
    kind = header.get_content_type()
    if kind not in (FORM, JSON) or "content-encoding" in request.headers:
        accepted = f"{FORM}, {JSON}"
        raise HTTPException(415, f"The body must be one of {accepted}", {"Accept": accepted})
    with get_runtime(request).upload_places.take(images.username):
        if kind == JSON:
            return await _read_json(request, images)
        with await receive_form(request, images.open_upload, _RULES) as form:
            return await _read_form(request, images, form)


async def _read_form(request: Request, images: PrivateImageService, form: Form) -> Wanted:
    wanted = _read_members(request, form.values)
    sources = [file for name in FILE_PARTS for file in form.files.get(name, ())]
    masks = form.files.get(MASK, [])
    if not sources:
        raise InvalidInputError(((("image",), "must be given"),))
    if len(sources) > MAX_SOURCES or len(masks) > 1:
        name = "image" if len(sources) > MAX_SOURCES else MASK
        raise InvalidInputError((((name,), "are too many files"),))
    return await _keep(request, images, wanted, sources, masks)


async def _read_json(request: Request, images: PrivateImageService) -> Wanted:
    runtime = get_runtime(request)
    members = await read_json_object(request, max(MOST_JSON, runtime.max_body_size))
    given, mask = members.pop("images", None), members.pop(MASK, None)
    wanted = _read_members(request, members)
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_SOURCES:
        raise InvalidInputError(((("images",), f"must be 1 to {MAX_SOURCES} references"),))
    with Form() as form:
        sources = [await _read_reference(request, images, form, "images", each) for each in given]
        masks = [] if mask is None else [await _read_reference(request, images, form, MASK, mask)]
        return await _keep(request, images, wanted, sources, masks)


def _read_members(request: Request, members: Mapping[str, Any]) -> Wanted:
    runtime = get_runtime(request)
    return read_wanted(members, find_models(runtime), is_lenient=runtime.v1.is_lenient)


async def _read_reference(
    request: Request, images: PrivateImageService, form: Form, name: str, given: object
) -> FormFile | str:
    """Return a guid, or the file in a data URL, which the form closes."""
    reference = given if isinstance(given, dict) else {}
    guid, url = reference.get("file_id"), reference.get("image_url")
    if isinstance(guid, str) and url is None:
        return guid
    if isinstance(url, str) and guid is None:
        own = _find_own_image(request, url)
        if own is not None:
            return own
        match = _DATA_URL.match(url)
        if match is not None:
            file = await _spool(request, images, name, url[match.end() :])
            form.add_file(name, None, file)
            return FormFile(file, None)
    reason = "must have a `file_id`, or an `image_url`: a data URL, or an image of this service"
    raise InvalidInputError((((name,), reason),))


def _find_own_image(request: Request, url: str) -> str | None:
    """Return the guid in the URL of an image of this service, absolute or only its path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    prefix = path_for_client(request, "")
    match = _OWN_PATH.fullmatch(parts.path.removeprefix(prefix))
    is_own = parts.scheme in ("", "http", "https") and parts.netloc in (
        "",
        request.headers.get("host"),
    )
    return match[1] if match is not None and is_own else None


async def _spool(
    request: Request, images: PrivateImageService, name: str, encoded: str
) -> SpooledFile:
    def write() -> SpooledFile:
        try:
            content = base64.b64decode(encoded, validate=True)
        # binascii.Error, or a character that is not ASCII
        except ValueError as error:
            raise InvalidInputError((((name,), "must be base64 in a data URL"),)) from error
        file = images.open_upload(len(content))
        try:
            file.write(content)
        except BaseException:
            file.close()
            raise
        return file

    return await get_runtime(request).pools.uploads.run(write)


async def _keep(
    request: Request,
    images: PrivateImageService,
    wanted: Wanted,
    sources: "list[FormFile] | list[FormFile | str]",
    masks: "list[FormFile] | list[FormFile | str]",
) -> Wanted:
    """Keep files as uploads once all of them were checked, and name them in the request.

    They stay if the request is refused later: the caller may have uploaded the same bytes
    meanwhile, and been told that they are kept.
    """
    named = [*(("image", each) for each in sources), *((MASK, each) for each in masks)]
    run = get_runtime(request).pools.uploads.run
    checked: list[ImageProperties | None] = []
    for name, each in named:
        mask_of = checked[0] if name == MASK else None
        checked.append(await run(_check_one, images, name, each, mask_of))
    guids = [
        await run(_keep_one, images, each, properties)
        for (_, each), properties in zip(named, checked, strict=True)
    ]
    mask = guids[len(sources)] if masks else None
    made_from = {"sources": tuple(guids[: len(sources)]), "mask": mask}
    # the service validates it again
    return wanted._replace(image=wanted.image.model_copy(update=made_from))


def _check_one(
    images: PrivateImageService,
    name: str,
    source: FormFile | str,
    mask_of: ImageProperties | None,
) -> ImageProperties | None:
    if isinstance(source, str):
        return None
    try:
        return images.check_upload(source.file, mask_of)
    except InvalidInputError as error:
        raise InvalidInputError(tuple(((name,), why) for _, why in error.errors)) from error


def _keep_one(
    images: PrivateImageService, source: FormFile | str, properties: ImageProperties | None
) -> str:
    """Return the guid of a source, which a file gets as an upload."""
    if isinstance(source, str):
        return source
    with source.file as file:
        uploaded = images.keep_upload(file, None, source.filename, properties)
    if isinstance(uploaded.image, Creation):
        raise ImagePendingError
    return uploaded.image.guid
