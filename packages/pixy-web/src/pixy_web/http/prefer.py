"""How long a request waits for its image: the client's `Prefer` header (RFC 7240).

Whatever it prefers, the image is made.
"""

import asyncio
import re
from dataclasses import dataclass

from starlette.requests import Request

from pixy_service import Created, Submission

# one that never ends is taken to the end, or each quote in it would be tried as a beginning
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)("?)')
_LONGEST = 9
"""Digits of a number of seconds that is read."""


@dataclass(frozen=True)
class Preference:
    """What a client prefers.

    Attributes:
        seconds: How long it waits at most; None until the image is there.
        is_async: Whether it asks for an answer before the image is there.
    """

    seconds: int | None = None
    is_async: bool = False

    def applied(self, status: int) -> dict[str, str]:
        """Return the header that names what was honoured in an answer of this status."""
        tokens = ["respond-async"] if self.is_async and status == 202 else []
        if self.seconds is not None:
            tokens.append(f"wait={self.seconds}")
        return {"Preference-Applied": ", ".join(tokens)} if tokens else {}


def read_preference(request: Request) -> Preference:
    """Return what a request prefers; what is malformed or unknown is no preference."""
    found = _parse(", ".join(request.headers.getlist("prefer")))
    seconds = found.get("wait", "")
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= _LONGEST
    return Preference(int(seconds) if is_number else None, found.get("respond-async") == "")


async def wait_for_image(submission: Submission, preference: Preference) -> Created:
    """Return what was made, or the creation that goes on when the client waits no longer.

    Raises:
        PixyProxyException: No image was made.
    """
    created = asyncio.wrap_future(submission.created)
    if preference == Preference():
        return await created
    await asyncio.wait((created,), timeout=preference.seconds or 0)
    asked = asyncio.wrap_future(submission.asked)
    if not created.done():
        await asyncio.wait((created, asked), return_when=asyncio.FIRST_COMPLETED)
    if created.done():
        asked.cancel()
        return created.result()
    # nobody is going to look at it
    created.cancel()
    return Created(asked.result())


def _parse(header: str) -> dict[str, str]:
    """Return preferences by name; the first of a name counts, and parameters don't."""
    found: dict[str, str] = {}
    # a comma or semicolon inside quotes separates nothing
    plain = _QUOTED.sub(_unquote, header)
    for element in plain.split(","):
        name, _, value = element.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    return found


def _unquote(quoted: re.Match[str]) -> str:
    """Return what is quoted without separators; no value where the quotes aren't closed."""
    return re.sub(r"[^0-9A-Za-z]", "-", quoted[1]) if quoted[2] else "-"
