"""Who asks: on `/v1` an API key as bearer token, and nothing else."""

from typing import NamedTuple

from starlette.requests import Request

from pixy_core import InvalidKeyError
from pixy_service import KeyCredentials, PrivateImageService
from pixy_web.runtime import PrivateImages, read_credentials

RETRY_COUNT = "x-stainless-retry-count"
"""The OpenAI SDKs count their retries in it, from 0."""


class Caller(NamedTuple):
    """A client whose key has been checked.

    Attributes:
        key_id: The key's id.
        images: The image service of its owner.
    """

    key_id: str
    images: PrivateImageService


async def authenticate_key(request: Request) -> Caller:
    """Check the key of a request.

    Raises:
        AuthenticationRequiredError: There is none.
        InvalidKeyError: It is wrong, or did not come as a bearer token.
        ScopeMissingError: It may not do this.
    """
    credentials = read_credentials(request)
    if not isinstance(credentials, KeyCredentials) or credentials.username is not None:
        raise InvalidKeyError
    images = await PrivateImages(request, credentials).sign_in()
    return Caller(credentials.key_id or "", images)


def is_retry(request: Request) -> bool:
    """Return whether the client says that it has sent this request before."""
    count = request.headers.get(RETRY_COUNT, "")
    return count.isascii() and count.isdigit() and count.strip("0") != ""
