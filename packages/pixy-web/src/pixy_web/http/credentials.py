"""HTTP Basic (RFC 7617): strict parsing of the header, and the dependencies that sign in.

FastAPI's own parser refuses passwords in UTF-8 and accepts NUL.
"""

import binascii
from base64 import b64decode

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import AuthenticationRequiredError, InvalidCredentialsError
from pixy_core.users import has_control_characters
from pixy_service import Credentials, PrivateImageService
from pixy_web.runtime import PrivateImages, get_runtime


async def get_private_images(request: Request) -> PrivateImages:
    """Return the image service for a request's credentials, which are not checked yet.

    Raises:
        AuthenticationRequiredError: The request carries no credentials.
        InvalidCredentialsError: They are malformed.
    """
    return PrivateImages(get_runtime(request), read_credentials(request))


async def sign_in(request: Request) -> PrivateImageService:
    """Check a request's credentials, and return the user's service.

    Writes depend on it, so that the body is read only for users.

    Raises:
        AuthenticationRequiredError: The request carries no credentials.
        InvalidCredentialsError: The credentials are wrong.
        TooManyFailuresError: Too many wrong ones came from this address.
    """
    images = await get_private_images(request)
    return await images.sign_in()


def read_credentials(request: Request) -> Credentials:
    """Return the user name and password that a request carries.

    Raises:
        AuthenticationRequiredError: It carries none.
        InvalidCredentialsError: The header is no well-formed Basic credentials.
        HTTPException: 400, there are two such headers.
    """
    scope = request.scope
    # ASGI: names of headers are in lower case
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    if not headers:
        raise AuthenticationRequiredError
    if len(headers) > 1:
        raise HTTPException(400, "More than one Authorization header")
    scheme, _, token = headers[0].partition(b" ")
    # RFC 9110, section 11.1: the scheme's name has no case
    if scheme.lower() != b"basic":
        raise InvalidCredentialsError
    client = scope.get("client")
    return parse_basic_token(token.strip(b" "), client[0] if client else "")


def parse_basic_token(token: bytes, address: str) -> Credentials:
    """Return what a Basic token, base64 of `user:password` in UTF-8, says.

    Args:
        token: What follows the scheme in the header.
        address: Where it came from.

    Raises:
        InvalidCredentialsError: It is not base64, not UTF-8, has no colon, or holds control
            characters.
    """
    try:
        text = b64decode(token, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise InvalidCredentialsError from error
    username, colon, password = text.partition(":")
    if not colon or has_control_characters(text):
        raise InvalidCredentialsError
    return Credentials(username=username, password=password, address=address)
