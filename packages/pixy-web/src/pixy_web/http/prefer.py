"""How long a request waits for its image: the `Prefer` header (RFC 7240).

The image is made in any case.
"""

import asyncio
import re
from dataclasses import dataclass

from starlette.requests import Request

from pixy_service import Created, Submission

# an unclosed one extends to the end; otherwise the pattern would be tried at each of its quotes
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)("?)')
_LONGEST = 9
"""Maximum digits of a number of seconds."""


@dataclass(frozen=True)
class Preference:
    """The preferences of a client.

    Attributes:
        seconds: Maximum seconds to wait; None to wait for the image.
        is_async: Whether it asks for a response before the image is ready.
    """

    seconds: int | None = None
    is_async: bool = False

    def applied(self, status: int) -> dict[str, str]:
        """Return the header that names the preferences that a response of this status applied."""
        tokens = ["respond-async"] if self.is_async and status == 202 else []
        if self.seconds is not None:
            tokens.append(f"wait={self.seconds}")
        return {"Preference-Applied": ", ".join(tokens)} if tokens else {}


def read_preference(request: Request) -> Preference:
    """Return the preferences of a request; malformed and unknown ones are ignored."""
    found = _parse(", ".join(request.headers.getlist("prefer")))
    seconds = found.get("wait", "")
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= _LONGEST
    return Preference(int(seconds) if is_number else None, found.get("respond-async") == "")


async def wait_for_image(submission: Submission, preference: Preference) -> Created:
    """Return the image, or the creation that goes on if the client stops waiting.

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
    # nobody awaits it
    created.cancel()
    return Created(asked.result())


def _parse(header: str) -> dict[str, str]:
    """Return preferences by name, the first of each; parameters are ignored."""
    found: dict[str, str] = {}
    # a comma or semicolon inside quotes is not a separator
    plain = _QUOTED.sub(_unquote, header)
    for element in plain.split(","):
        name, _, value = element.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    return found


def _unquote(quoted: re.Match[str]) -> str:
    """Return a quoted value without separators; a dash if the quotes are not closed."""
    return re.sub(r"[^0-9A-Za-z]", "-", quoted[1]) if quoted[2] else "-"
