"""Answers with a whole image in an undocumented form; gateways send some of these.

All of them contain ODD_PNG, and all of them are paid for.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable

from provider_answers import Answer, make_png

ODD_PNG = make_png(67, 47)
"""Its base64 has padding, and both letters that differ in the URL-safe alphabet."""

_TEXT = base64.b64encode(ODD_PNG).decode()
_PIECES = [ODD_PNG[start : start + 40] for start in range(0, len(ODD_PNG), 40)]
_STREAM: dict[str, str | None] = {"Content-Type": "text/event-stream"}


def _body(b64_json: str = _TEXT, **members: object) -> bytes:
    return json.dumps({"created": 1, "data": [{"b64_json": b64_json}], **members}).encode()


_BODY = _body()


def _with_member(member: bytes) -> bytes:
    """Return the body with one more member before and after the image."""
    return b"{" + member + b", " + _BODY[1:-1] + b", " + member + b"}"


def _chunks(body: bytes) -> bytes:
    """Return a chunked body without its last chunk (RFC 9112, section 7.1)."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def _with_wrong_checksum(packed: bytes) -> bytes:
    return packed[:-8] + b"\0\0\0\0" + packed[-4:]


_FORMATS: dict[str, object] = {
    "format_null": None,
    "format_empty": "",
    "format_upper_case": "PNG",
    "format_jpg": "jpg",
    "format_other": "webp",
    "format_number": 7,
    "format_unknown": "image/x-png",
}

_BASE64 = {
    "base64_newline_at_end": _TEXT + "\n",
    "base64_mime_lines": base64.encodebytes(ODD_PNG).decode(),
    "base64_mime_crlf": base64.encodebytes(ODD_PNG).decode().replace("\n", "\r\n"),
    "base64_spaces": "  " + " ".join(_TEXT) + "\t",
    "base64_unpadded": _TEXT.rstrip("="),
    "base64_too_much_padding": _TEXT + "==",
    "base64_url_safe": base64.urlsafe_b64encode(ODD_PNG).decode(),
    "base64_url_safe_unpadded": base64.urlsafe_b64encode(ODD_PNG).decode().rstrip("="),
    "base64_padded_pieces": "".join(base64.b64encode(piece).decode() for piece in _PIECES),
    "base64_newlines_escaped_twice": base64.encodebytes(ODD_PNG).decode().replace("\n", "\\n"),
    "base64_data_url": "data:image/png;base64," + _TEXT,
    "base64_data_url_upper_case": " DATA:IMAGE/PNG;BASE64," + _TEXT,
    "base64_data_url_of_wrong_type": "data:text/plain;charset=utf-8;base64," + _TEXT,
    "base64_data_url_percent": "data:image/png;base64,"
    + _TEXT.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    "base64_half_a_data_url": "image/png;base64," + _TEXT,
    "base64_data_url_without_comma": "data:image/png;base64 " + _TEXT,
    "base64_of_python": f"b'{_TEXT}'",
    "base64_behind_a_newline": base64.b64encode(b"\n" + ODD_PNG).decode(),
}

_JSON: dict[str, bytes] = {
    "json_byte_order_mark": b"\xef\xbb\xbf" + _BODY,
    "json_white_space": b" \r\n\t" * 1000 + _BODY + b"\r\n",
    "json_utf_16": _BODY.decode().encode("utf-16"),
    "json_utf_16_le": _BODY.decode().encode("utf-16-le"),
    "json_utf_32": _BODY.decode().encode("utf-32"),
    "json_escaped_slashes": _BODY.replace(b"/", b"\\/"),
    "json_escaped_plus": _BODY.replace(b"+", b"\\u002B").replace(b"=", b"\\u003d"),
    "json_nan": _with_member(b'"usage": {"cost": NaN, "more": -Infinity}'),
    "json_huge_number": _with_member(b'"created": ' + b"9" * 10_000),
    "json_huge_exponent": _with_member(b'"created": 1e999999'),
    "json_no_utf_8": _with_member(b'"revised_prompt": "\xff\xfe\xc3("'),
    "json_emoji": _with_member('"revised_prompt": "🦊"'.encode()),
    "json_lone_surrogate": _with_member(b'"revised_prompt": "\\ud83e"'),
    "json_control_characters": _with_member(b'"revised_prompt": "a\0b\nc\x1b"'),
    "json_bad_escape": _with_member(b'"revised_prompt": "\\x \\u12"'),
    "json_deep": _with_member(b'"usage": ' + b"[" * 100_000 + b"]" * 100_000),
    "json_many": _with_member(b'"usage": [' + b"[]," * 200_000 + b"[]]"),
    "json_trailing_comma": _BODY.removesuffix(b"}") + b",}",
    "json_trailing_bytes": _BODY + b"\n\n<!-- served by a gateway -->\0",
    "json_leading_bytes": b"Warning: deprecated in line 3\n" + _BODY,
    "json_guarded": b")]}',\n" + _BODY,
    "json_cut_after_the_image": _BODY.removesuffix(b'"}]}'),
    "json_twice": _BODY + b"\n" + _BODY,
    "json_in_json": json.dumps(_BODY.decode()).encode(),
    "json_in_a_list": b"[" + _BODY + b"]",
    "json_data_twice": _BODY.removesuffix(b"}") + b', "data": null}',
    "json_data_object": _BODY.replace(b"[", b"").replace(b"]", b""),
    "json_data_inside": json.dumps({"code": 0, "result": json.loads(_BODY)}).encode(),
    "json_second_entry": _body().replace(b"[", b'[{"revised_prompt": "a"}, null, 7, "x", '),
    "json_first_entry_is_junk": _body().replace(b"[", b'[{"b64_json": "anVuaw=="}, '),
    "json_data_url": json.dumps({"data": [{"url": "data:image/png;base64," + _TEXT}]}).encode(),
    "json_url_too": json.dumps(
        {"data": [{"url": "http://127.0.0.1:1/x.png", "b64_json": _TEXT}]}
    ).encode(),
    "json_odd_types": _body(created="now", usage="none", size=None, error=None, output_format=[]),
    "json_with_an_error": _body(error={"code": "moderation_blocked", "message": "but drawn"}),
}

_PREVIEW = base64.b64encode(make_png(3, 3)).decode()

# the forms of other services, and those that gateways make of their answers
_MEMBERS: dict[str, bytes] = {
    name: json.dumps(document).encode()
    for name, document in {
        "member_other_name": {"data": [{"image": _TEXT}]},
        "member_upper_case": {"data": [{"B64_JSON": _TEXT}]},
        "member_object": {"data": [{"b64_json": {"data": _TEXT}}]},
        "member_list": {"data": [{"b64_json": [_TEXT]}]},
        "member_without_name": {"images": [_TEXT]},
        "member_empty_and_another": {"data": [{"b64_json": "", "image": _TEXT}]},
        "member_behind_a_preview": {"preview": _PREVIEW, "result": _TEXT},
        "member_of_a_string": {"data": json.dumps([{"b64_json": _TEXT}])},
        "member_of_responses": {"output": [{"type": "image_generation_call", "result": _TEXT}]},
        "member_image_url": {"image_url": "data:image/png;base64," + _TEXT},
        "member_alone": _TEXT,
    }.items()
} | {
    "text_base64": _TEXT.encode(),
    "text_data_url": b"data:image/png;base64," + _TEXT.encode(),
    "text_of_python": repr({"data": [{"b64_json": _TEXT}]}).encode(),
    "text_xml": b"<image>%s</image>" % _TEXT.encode(),
}


_EVENT = json.dumps({"type": "image_generation.completed", "b64_json": _TEXT}).encode()

_LABELS: dict[str, Answer] = {
    "labelled_stream": Answer(200, _BODY, _STREAM),
    "labelled_html": Answer(200, _BODY, {"Content-Type": "text/html"}),
    "labelled_nothing": Answer(200, _BODY, {"Content-Type": None}),
    "labelled_junk_charset": Answer(200, _BODY, {"Content-Type": "application/json; charset=hex"}),
    "labelled_created": Answer(201, _BODY),
    "image_itself": Answer(200, ODD_PNG, {"Content-Type": "image/png"}),
    "image_behind_a_newline": Answer(200, b"\xef\xbb\xbf\r\n" + ODD_PNG),
    "too_short": Answer(200, _BODY, {"Content-Length": str(len(_BODY) + 10)}),
    "chunks_without_end": Answer(
        200, _chunks(_BODY), {"Content-Length": None, "Transfer-Encoding": "chunked"}
    ),
    "unasked_events": Answer(200, b"data: " + _EVENT + b"\n\n", _STREAM),
    "unasked_events_as_json": Answer(200, b"data: " + _EVENT),
}


def _packed(content: bytes, label: str | None = "gzip") -> Answer:
    return Answer(200, content, {"Content-Encoding": label})


_GZIP = gzip.compress(_BODY)
_PACKED: dict[str, Answer] = {
    "packed_gzip": _packed(_GZIP),
    "packed_unlabelled": _packed(_GZIP, None),
    "packed_wrong_label": _packed(_GZIP, "br"),
    "packed_not_at_all": _packed(_BODY),
    "packed_unknown_but_not": _packed(_BODY, "zstd"),
    "packed_deflate_but_not": _packed(_BODY, "deflate"),
    "packed_twice": _packed(gzip.compress(_GZIP), "gzip, gzip"),
    "packed_in_members": _packed(gzip.compress(_BODY[:50]) + gzip.compress(_BODY[50:])),
    "packed_without_end": _packed(_GZIP[:-8]),
    "packed_wrong_checksum": _packed(_with_wrong_checksum(_GZIP)),
    "packed_trailing_bytes": _packed(_GZIP + b"\0\0\0"),
    "packed_zlib": _packed(zlib.compress(_BODY), "deflate"),
    "packed_raw": _packed(zlib.compress(_BODY)[2:-4], "deflate"),
}

ODD_ANSWERS: dict[str, Answer] = {
    **{name: Answer(200, _body(output_format=value)) for name, value in _FORMATS.items()},
    **{name: Answer(200, _body(text)) for name, text in _BASE64.items()},
    **{name: Answer(200, body) for name, body in (_JSON | _MEMBERS).items()},
    **_LABELS,
    **_PACKED,
}
"""Answers without a stream, by behaviour."""


def _lines(*lines: bytes, end: bytes = b"\n") -> bytes:
    return b"".join(line + end for line in lines)


def _stream(documents: Iterable[object]) -> bytes:
    return b"".join(b"data: %s\n\n" % json.dumps(document).encode() for document in documents)


_NAME = b"event: image_generation.completed"
_UNTYPED = json.dumps({"b64_json": _TEXT, "created_at": 1}).encode()
_HALF = len(_UNTYPED) // 2
_PARTIAL = {"partial_image_index": 1, "b64_json": base64.b64encode(make_png(9, 9)).decode()}

ODD_EVENTS: dict[str, bytes] = {
    "events_named_only": _lines(_NAME, b"data: " + _UNTYPED, b""),
    "events_unnamed": _lines(b"data: " + _EVENT, b""),
    "events_untyped": _lines(b"data: " + _UNTYPED, b""),
    "events_untyped_as_a_body": _lines(b"data: " + _BODY, b""),
    "events_other_type": _stream([{"type": "image.done", "b64_json": _TEXT}]),
    "events_untyped_partials": _stream([_PARTIAL, _PARTIAL, {"b64_json": _TEXT}]),
    "events_with_null_index": _stream([{"partial_image_index": None, "b64_json": _TEXT}]),
    "events_in_one": _stream([[_PARTIAL, {"b64_json": _TEXT}]]),
    "events_image_inside": _stream([{"type": "x.completed", "response": json.loads(_BODY)}]),
    "events_without_blank_line": _lines(_NAME, b"data: " + _EVENT),
    "events_without_newline": _NAME + b"\ndata: " + _EVENT,
    "events_without_any_blank_line": _lines(b"data: %s" % json.dumps(_PARTIAL).encode(), _NAME)
    + _lines(b"data: " + _EVENT),
    "events_without_done_space": _lines(_NAME.replace(b" ", b""), b"data:" + _EVENT, b""),
    "events_crlf": _lines(_NAME, b"data: " + _EVENT, b"", end=b"\r\n"),
    "events_cr": _lines(_NAME, b"data: " + _EVENT, b"", end=b"\r"),
    "events_cr_without_end": _lines(b"data: " + _EVENT, end=b"\r"),
    "events_in_lines": _lines(
        _NAME, b"data: " + _UNTYPED[:_HALF], b"id: 7", b"data: " + _UNTYPED[_HALF:], b""
    ),
    "events_in_lines_without_field": _lines(
        _NAME, b"data: " + _UNTYPED[:_HALF], _UNTYPED[_HALF:], b""
    ),
    "events_upper_case": _lines(b"Event: image_generation.completed", b"DATA: " + _UNTYPED, b""),
    "events_with_comments": _lines(b": ping", b"retry: 5", _NAME, b":", b"data: " + _EVENT, b""),
    "events_no_utf_8_before": _lines(b'data: {"x": "\xff"}', b"", b"data: " + _EVENT, b""),
    "events_broken_before": _lines(b"data: {oops", b"", b"data: " + _EVENT, b""),
    "events_error_before": _stream([{"type": "error", "error": {"code": "server_error"}}])
    + _stream([json.loads(_EVENT)]),
    "events_of_responses": _stream([{"type": "a.completed"}, {"item": {"result": _TEXT}}]),
    "events_of_base64": _lines(_NAME, b"data: " + _TEXT.encode(), b""),
    "events_of_base64_lines": _lines(
        _NAME, b"data: " + _TEXT[:60].encode(), b"data: " + _TEXT[60:].encode(), b""
    ),
    "events_done_after": _lines(b"data: " + _UNTYPED, b"", b"data: [DONE]", b""),
    "events_usage_after": _stream([{"b64_json": _TEXT}, {"usage": {"total_tokens": 5}}]),
    "events_cut_after_the_image": _lines(_NAME, b"data: " + _EVENT.removesuffix(b'"}')),
    "events_bad_json": _lines(_NAME, b"data: " + _EVENT.replace(b"{", b'{"x": "\\x", '), b""),
    "events_deep": _lines(
        _NAME, b'data: {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b", " + _EVENT[1:], b""
    ),
    "events_base64_url": _stream([{"type": "a.completed", "url": "data:;base64," + _TEXT}]),
}
"""The events after the partial images of a stream, by behaviour."""
