"""The events that the stand-in for OpenAI's Images API streams to requests for partial images.

First the requested number of partial images, then the last events of the behaviour.
"""

import base64
import json

from provider_answers import PNG, Answer, make_png
from provider_oddities import ODD_EVENTS

PARTIALS = tuple(make_png(64 * number, 48 * number) for number in (1, 2, 3))


def frame(event: object, name: str = "message") -> bytes:
    """Return a server-sent event (HTML standard, section 9.2.6)."""
    return f"event: {name}\ndata: {json.dumps(event)}\n\n".encode()


def partial(index: int, b64_json: str | None = None) -> bytes:
    """Return the event of a partial image.

    Args:
        index: Its number, from 0.
        b64_json: Its content, instead of one of PARTIALS.
    """
    content = b64_json or base64.b64encode(PARTIALS[index % len(PARTIALS)]).decode()
    members = {"partial_image_index": index, "b64_json": content, "output_format": "png"}
    return _event("image_generation.partial_image", members)


def completed(answer: Answer) -> bytes | None:
    """Return a whole answer as an event; None if it can't be an event."""
    body = answer.body
    if answer.status != 200 or not isinstance(body, dict):
        return None
    data = body.get("data") or [{}]
    if not isinstance(data, list):
        return None
    return _event("image_generation.completed", {**body, **data[0], "data": None})


def _event(kind: str, members: dict[str, object]) -> bytes:
    return frame({"type": kind, "created_at": 1_795_392_000, "size": "auto", **members}, kind)


def _error(code: str | None) -> bytes:
    message = "The stand-in repeats the prompt and a key: sk-secret"
    error = {"type": "image_generation_error", "code": code, "message": message}
    return frame({"type": "error", "error": error}, "error")


_DONE = _event(
    "image_generation.completed",
    {"b64_json": base64.b64encode(PNG).decode(), "output_format": "png"},
)
_JUNK = base64.b64encode(b"this is no image at all").decode()

ENDINGS: dict[str, bytes] = {
    "events_without_end": b"",
    "events_done_early": b"data: [DONE]\n\n",
    "events_error": _error("server_error"),
    "events_error_without_code": _error(None),
    "events_moderation_blocked": _error("moderation_blocked"),
    "events_insufficient_quota": _error("insufficient_quota"),
    "events_broken_json": b'event: image_generation.completed\ndata: {"b64_json": "sk-secret\n\n',
    "events_no_utf8": b"data: \xff\xfe sk-secret\n\n",
    "events_odd": b"".join(map(frame, ([], 5, None, "sk-secret", {}, {"type": 7}))),
    "events_completed_without_image": _event("image_generation.completed", {}),
    "events_completed_with_junk": _event("image_generation.completed", {"b64_json": _JUNK}),
    "events_slow_down": _error("slow_down"),
    "events_only_partials": partial(0) + partial(1),
    # with an image
    "events_with_bad_partials": partial(0, "*no base64*") + partial(1, _JUNK) + _DONE,
    "events_with_many_partials": b"".join(map(partial, range(20))) + _DONE,
    "events_with_odd_ones": b"".join(map(frame, ([], 5, None, "x", {"type": "news"}))) + _DONE,
    **ODD_EVENTS,
}
"""The events after the partial images, by behaviour; then the stream ends normally."""

ENDLESS_EVENTS = ("events_cut", "events_cut_in_doubt", "events_drip", "events_stall")
"""Streams that don't end normally."""

EVENTS = (*ENDINGS, *ENDLESS_EVENTS)


def rename_for_edits(events: bytes) -> bytes:
    """Return the events of a generation as those of an edit."""
    return events.replace(b"image_generation.", b"image_edit.")
