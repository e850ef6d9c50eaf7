"""What the stand-in for OpenAI's Images API answers, by name: images, faulty ones and refusals."""

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


@dataclass(frozen=True)
class Answer:
    """One whole HTTP answer.

    Attributes:
        status: HTTP's.
        body: Bytes, or anything that JSON has a form for.
        headers: More headers, or others than the usual ones.
    """

    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)


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
"""12 MB, more than waits in the sockets of a client that doesn't read."""


def _image(content: bytes, **extra: object) -> Answer:
    picture = {"b64_json": base64.b64encode(content).decode()}
    return Answer(200, {"created": 1_795_392_000, "data": [picture], **extra})


def _refusal(status: int, code: str | None, **headers: str) -> Answer:
    message = "The stand-in repeats the prompt and a key: sk-secret"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Answer(status, {"error": error}, headers)


ANSWERS: dict[str, Answer] = {
    "png": _image(PNG, output_format="png", size="64x48"),
    "large": _image(LARGE_PNG),
    "jpeg": _image(JPEG, output_format="jpeg"),
    "webp": _image(WEBP, output_format="webp"),
    "unnamed_format": _image(PNG),
    # 200 without a usable image
    "null_data": Answer(200, {"created": 1, "data": None}),
    "empty_data": Answer(200, {"created": 1, "data": []}),
    "no_b64": Answer(200, {"created": 1, "data": [{"url": "http://127.0.0.1:1/image.png"}]}),
    "bad_base64": Answer(200, {"created": 1, "data": [{"b64_json": "*no base64*"}]}),
    "wrong_shape": Answer(200, {"created": 1, "data": "image"}),
    "json_list": Answer(200, []),
    "broken_json": Answer(200, b'{"data": ['),
    "html": Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "junk_image": _image(b"this is no image at all"),
    "truncated_image": _image(PNG[:60]),
    "jpeg_as_png": _image(JPEG, output_format="png"),
    "gif": _image(GIF, output_format="gif"),
    "gif_as_png": _image(GIF, output_format="png"),
    "too_wide": _image(make_png(8193, 1)),
    # refusals
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
