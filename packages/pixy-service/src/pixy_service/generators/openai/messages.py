"""Reads one message of a provider: a JSON body, or the data of one event."""

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, NamedTuple

from pixy_service.generators.openai.formats import begins_image, find_base64, parse_documents
from pixy_service.generators.openai.refusals import ProviderError, read_error
from pixy_service.generators.openai.reports import find_members

_COMPLETED = ".completed"
_PARTIAL = "partial_image"
_completed_type = re.compile(r'"type"\s*:\s*"[^"]*\.completed"').search
_partial_member = re.compile(_PARTIAL + r'(?:_index|_b64)?"').search
_member = re.compile(r'"(b64_json|url)"\s*:\s*"([^"]*)')
_begins_link = re.compile(r"\s*https?:", re.IGNORECASE).match
_begins_data_url = re.compile(r"\s*data:", re.IGNORECASE).match


class Kind(Enum):
    """Which image a message is about; OTHER if it does not say."""

    PARTIAL = auto()
    COMPLETED = auto()
    OTHER = auto()


class Message(NamedTuple):
    """One message.

    Attributes:
        kind: Which image it is about.
        images: The values that may encode an image, in order.
        error: Its error.
        has_link: Whether it has a link to an image.
        is_parsed: Whether it is JSON.
        report: The members that make a report.
    """

    kind: Kind
    images: list[str]
    error: ProviderError | None = None
    has_link: bool = False
    is_parsed: bool = True
    report: Mapping[str, Any] = MappingProxyType({})


def read_messages(text: str, name: str = "") -> list[Message]:
    """Return one message for each JSON document in a body, or in the data of a named event."""
    documents = parse_documents(text)
    messages = [_read_document(document, name) for document in documents]
    for message in messages:
        if message.kind == Kind.PARTIAL or any(map(begins_image, message.images)):
            return messages
    found = _search_text(text, name)
    if found.kind != Kind.PARTIAL and not any(map(_tells_error, documents)):
        found.images.extend(find_base64(text))
    return [*messages, found]


def read_refusal(text: str) -> ProviderError:
    """Return the error in the body of a refusal; empty if there is none."""
    for document in parse_documents(text):
        if isinstance(document, dict):
            return _find_error(document, "") or read_error(document)
    return ProviderError()


def _read_document(document: Any, name: str) -> Message:
    nodes = list(_walk(document))
    return Message(
        _find_kind(document, name) if isinstance(document, dict) else Kind.OTHER,
        [value for node in nodes for value in _list_images(node)],
        next((error for node in nodes if (error := _find_error(node, name))), None),
        any(_begins_link(str(node.get(key))) for node in nodes for key in ("b64_json", "url")),
        report=find_members(nodes),
    )


def _walk(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a document in order, except those inside partial images."""
    nodes = [document]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(reversed(node))
        elif isinstance(node, dict) and (node is document or _find_kind(node) != Kind.PARTIAL):
            yield node
            nodes.extend(reversed(node.values()))


def _find_kind(node: dict[str, Any], name: str = "") -> Kind:
    """Determine the kind by an object's own type, then its members, then its event's name."""
    own = node.get("type")
    told = own if isinstance(own, str) else ""
    if told.endswith(_COMPLETED):
        return Kind.COMPLETED
    if node.get("partial_image_index") is not None or _PARTIAL in (told or name):
        return Kind.PARTIAL
    return Kind.COMPLETED if name.endswith(_COMPLETED) else Kind.OTHER


def _list_images(node: dict[str, Any]) -> list[str]:
    encoded, url = node.get("b64_json"), node.get("url")
    values = [encoded] if isinstance(encoded, str) and not _begins_link(encoded) else []
    # the bytes are all in such an address: nothing has to be fetched
    return [*values, url] if isinstance(url, str) and _begins_data_url(url) else values


def _find_error(node: dict[str, Any], name: str) -> ProviderError | None:
    error = node.get("error")
    if isinstance(error, str) and error:
        return read_error({**node, "message": error})
    if error:
        return read_error(error)
    is_error = "error" in (name, node.get("type")) or {"code", "message"} <= node.keys()
    return read_error(node) if is_error and "data" not in node else None


def _tells_error(document: Any) -> bool:
    # an image in a member of unknown name may be an echo of the request
    return isinstance(document, dict) and bool(document.get("error"))


def _search_text(text: str, name: str) -> Message:
    """Search a text without a parsed image: cut off, not JSON, or with other member names."""
    if _PARTIAL in name or _partial_member(text):
        return Message(Kind.PARTIAL, [], is_parsed=False)
    images = [
        value
        for key, value in _member.findall(text)
        if key == "b64_json" or _begins_data_url(value)
    ]
    is_completed = name.endswith(_COMPLETED) or _completed_type(text)
    return Message(Kind.COMPLETED if is_completed else Kind.OTHER, images, is_parsed=False)
