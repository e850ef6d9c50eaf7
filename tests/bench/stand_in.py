"""A cheap stand-in for OpenAI's Images API, which answers a 1.5 MB picture after a delay.

Unlike tests/support/provider.py it keeps connections open and does no work for a request, so that
the figures are those of its clients.
"""

import asyncio
import base64
import json
import random
import struct
import sys
import zlib
from typing import Any

import uvicorn

SIDE = 714  # pixels; noise doesn't compress, so the file has SIDE * SIDE * 3 bytes: 1.5 MB
DELAY = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
waiting = 0


def make_picture() -> bytes:
    """Return a PNG of noise, which does not compress."""
    noise = random.Random(7).randbytes(SIDE * SIDE * 3)
    rows = b"".join(b"\0" + noise[i : i + SIDE * 3] for i in range(0, len(noise), SIDE * 3))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


ANSWER = json.dumps(
    {
        "created": 1_795_392_000,
        "background": "opaque",
        "data": [{"b64_json": base64.b64encode(make_picture()).decode()}],
        "output_format": "png",
        "quality": "low",
        "size": "1024x1024",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 10},
            "output_tokens": 196,
            "total_tokens": 206,
        },
    }
).encode()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer each POST with the picture, and other requests with the number of waiting POSTs."""
    global waiting  # noqa: PLW0603 - a process of its own, and its only state
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = str(waiting).encode()
    if scope["method"] == "POST":
        waiting += 1
        await asyncio.sleep(DELAY)
        waiting -= 1
        body = ANSWER
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning", lifespan="off")
