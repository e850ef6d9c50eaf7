"""The answers of the stand-in for OpenAI's Images API, by name: images, faults and refusals."""

import base64
import struct
import zlib
from dataclasses import dataclass, field

JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdh"
    "bWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpK"
    "SkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAQABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUEAEAAAA"
    "AAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAABP/EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/"
    "AKAANf/Z"
)
WEBP = base64.b64decode("UklGRh4AAABXRUJQVlA4TBEAAAAvD8ADAAdQvCIXpf+BiOh/AAA=")
GIF = base64.b64decode(
    "R0lGODdhEAAQAIEAAMh4KAAAAAAAAAAAACwAAAAAEAAQAEAIHQABCBxIsKDBgwgTKlzIsKHDhxAjSpxIsaLFgQEBADs="
)
RATE_LIMIT_SECONDS = 7
USAGE: dict[str, object] = {
    "input_tokens": 12,
    "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
    "output_tokens": 196,
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 196},
    "total_tokens": 208,
}
"""The tokens that an image of the stand-in costs."""


@dataclass(frozen=True)
class Answer:
    """One whole HTTP answer.

    Attributes:
        status: The HTTP status.
        body: Bytes, or a value that JSON can represent.
        headers: Headers to add or replace; None removes a header.
    """

    status: int
    body: object
    headers: dict[str, str | None] = field(default_factory=dict)

    def repeat(self, count: int) -> "Answer":
        """Return this answer with so many images; only one that holds an image changes."""
        body = self.body
        if count == 1 or not isinstance(body, dict) or not isinstance(body.get("data"), list):
            return self
        return Answer(self.status, body | {"data": body["data"] * count}, self.headers)


def make_png(width: int, height: int, compression: int = -1) -> bytes:
    """Return a PNG of one colour.

    Args:
        width: Pixels.
        height: Pixels.
        compression: From 0, none, to 9.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, compression)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


PNG = make_png(64, 48)
LARGE_PNG = make_png(4000, 3000, compression=0)
"""12 MB: more than the socket buffers of a client that doesn't read."""

_TEXT = zlib.compress(b"x" * 1_048_577)
_TEXT_CHUNK = b"zTXtkey\0\0" + _TEXT
LARGE_TEXT_PNG = b"".join(
    (
        *(PNG[:33], struct.pack(">I", len(_TEXT) + 5), _TEXT_CHUNK),
        *(struct.pack(">I", zlib.crc32(_TEXT_CHUNK)), PNG[33:]),
    )
)
"""Its text unpacks to more than Pillow accepts."""


def _image(content: bytes, **extra: object) -> Answer:
    picture = {"b64_json": base64.b64encode(content).decode()}
    body = {"created": 1_795_392_000, "data": [picture], "usage": USAGE, **extra}
    return Answer(200, body)


def _refusal(status: int, code: str | None, **headers: str | None) -> Answer:
    message = "The stand-in repeats the prompt and a key: sk-secret"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Answer(status, {"error": error}, headers)


def _late(code: object, status: int = 200, **members: object) -> Answer:
    """Return an error as gateways send it: with status 200, or in another form."""
    error = {"message": "The stand-in repeats the prompt and a key: sk-secret", "code": code}
    return Answer(status, {"error": {**error, **members}})


def _inflating(status: int) -> Answer:
    """Return 2 MB of gzip (RFC 1952) that unpack to 2 GiB of white space."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packing.compress(b" " * 1024 * 1024) + packing.flush(zlib.Z_FULL_FLUSH)
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return Answer(status, head + block * 2048, {"Content-Encoding": "gzip"})


_SAFETY = "Your request was rejected as a result of our safety system."

ANSWERS: dict[str, Answer] = {
    "png": _image(PNG, output_format="png", size="64x48", quality="medium", background="opaque"),
    "large": _image(LARGE_PNG),
    "jpeg": _image(JPEG, output_format="jpeg"),
    "webp": _image(WEBP, output_format="webp"),
    "unnamed_format": _image(PNG),
    "unnamed_jpeg": _image(JPEG),
    "unnamed_webp": _image(WEBP),
    "jpeg_as_png": _image(JPEG, output_format="png"),
    "jpeg_as_jpg": _image(JPEG, output_format="jpg"),
    "large_text": _image(LARGE_TEXT_PNG),
    # 200 without a usable image
    "null_data": Answer(200, {"created": 1, "data": None}),
    "empty_data": Answer(200, {"created": 1, "data": []}),
    "no_b64": Answer(200, {"created": 1, "data": [{"url": "http://127.0.0.1:1/image.png"}]}),
    "link_as_b64": Answer(200, {"data": [{"b64_json": "https://127.0.0.1:1/image.png"}]}),
    "partial_only": Answer(
        200,
        {
            "type": "image_generation.partial_image",
            "partial_image_index": 0,
            "b64_json": base64.b64encode(PNG).decode(),
        },
    ),
    "partial_only_cut": Answer(
        200, b'{"partial_image_index": 0, "b64_json": "' + base64.b64encode(PNG), {}
    ),
    "no_content": Answer(200, b""),
    "brotli": Answer(200, b"\x8b\x02\x80 unreadable \x03", {"Content-Encoding": "br"}),
    "gzip_bomb": _inflating(200),
    "bad_base64": Answer(200, {"created": 1, "data": [{"b64_json": "*no base64*"}]}),
    "wrong_shape": Answer(200, {"created": 1, "data": "image"}),
    "json_list": Answer(200, []),
    "broken_json": Answer(200, b'{"data": ['),
    "html": Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "junk_image": _image(b"this is no image at all"),
    "truncated_image": _image(PNG[:60]),
    "gif": _image(GIF, output_format="gif"),
    "gif_as_png": _image(GIF, output_format="png"),
    "too_wide": _image(make_png(8193, 1)),
    # refusals with a status of 200
    "late_moderation_blocked": _late("moderation_blocked"),
    "late_moderation_input": _late(
        "moderation_blocked", moderation_details={"moderation_stage": "input"}
    ),
    "late_moderation_output": _late(
        "moderation_blocked", moderation_details={"moderation_stage": "output"}
    ),
    "late_content_filter": _late("content_filter"),
    "late_inner_error": _late(None, innererror={"code": "ResponsibleAIPolicyViolation"}),
    "late_400_moderation": _late("400", message=_SAFETY),
    "late_400_number": _late(400, type="ContentPolicyViolationError"),
    "late_400": _late("400"),
    "late_401": _late("401"),
    "late_429": _late(429),
    "late_insufficient_quota": _late("insufficient_quota"),
    "late_quota_type": _late(None, type="insufficient_quota"),
    "late_usage_limit": _late("organization_usage_limit_exceeded"),
    "late_slow_down": _late("slow_down"),
    "late_rate_limit": _late("rate_limit_exceeded"),
    "late_invalid_key": _late("invalid_api_key"),
    "late_invalid_request": _late("invalid_value", type="invalid_request_error"),
    "late_user_error": _late("other", type="image_generation_user_error"),
    "late_server_error": _late("server_error"),
    "late_text": Answer(200, {"error": "something failed"}),
    "late_bare": Answer(200, {"code": "moderation_blocked", "message": "no"}),
    # refusals
    "content_filter": _late("contentFilter", 400),
    "inner_error": _late("BadRequest", 400, inner_error={"code": "ResponsibleAIPolicyViolation"}),
    "moderation_400": _late("400", 400, message=_SAFETY),
    "moderation_output": _late(
        "moderation_blocked", 400, moderation_details={"moderation_stage": "output"}
    ),
    "usage_limit": _late("organization_usage_limit_exceeded", 429),
    "quota_type": _late(None, 429, type="insufficient_quota"),
    "slow_down": _late("slow_down", 503),
    "refused_with_bomb": _inflating(400),
    "refused_with_html": Answer(403, b"<html>", {"Content-Type": "text/html; charset=hex"}),
    "refused_and_cut": Answer(429, b'{"error": {"co', {"Content-Length": "1000"}),
    "moderation_blocked": _refusal(400, "moderation_blocked"),
    "content_policy_violation": _refusal(400, "content_policy_violation"),
    "billing_hard_limit_reached": _refusal(400, "billing_hard_limit_reached"),
    "bad_request": _refusal(400, "invalid_value"),
    "bad_request_without_code": _refusal(400, None),
    "unauthorized": _refusal(401, "invalid_api_key"),
    "forbidden": _refusal(403, "unsupported_country_region_territory"),
    "not_found": _refusal(404, "model_not_found"),
    "request_timeout": _refusal(408, None),
    "conflict": _refusal(409, None),
    "unprocessable": _refusal(422, None),
    "rate_limit_exceeded": _refusal(
        429, "rate_limit_exceeded", **{"Retry-After": str(RATE_LIMIT_SECONDS)}
    ),
    "too_many_requests": _refusal(429, None, **{"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    "insufficient_quota": _refusal(429, "insufficient_quota"),
    "credit_balance_exhausted": _refusal(429, "credit_balance_exhausted"),
    "project_spend_limit_exceeded": _refusal(429, "project_spend_limit_exceeded"),
    "server_error": _refusal(500, None),
    "bad_gateway": Answer(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}),
    "overloaded": _refusal(503, "server_overloaded"),
    "gateway_timeout": _refusal(504, None),
    "redirect": Answer(307, {}, {"Location": "/v1/images/generations"}),
    "redirect_found": Answer(302, {}, {"Location": "/v1/images/elsewhere"}),
}
"""One answer for each behaviour that is no more than an answer."""

USAGE_ANSWERS: dict[str, Answer] = {
    "usage_missing": Answer(200, {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}),
    "usage_null": _image(PNG, usage=None),
    "usage_without_details": _image(
        PNG, usage={"input_tokens": 12, "output_tokens": 196, "total_tokens": 208}
    ),
    "usage_without_output_details": _image(
        PNG, usage={name: USAGE[name] for name in USAGE if name != "output_tokens_details"}
    ),
    "usage_text": _image(PNG, usage="many"),
    "usage_of_texts": _image(PNG, usage={"input_tokens": "12", "output_tokens": None}),
    "usage_negative": _image(PNG, usage={"input_tokens": -1, "output_tokens": 1e400}),
}
"""Whole images with the usage that gateways make of it."""
