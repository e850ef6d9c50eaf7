"""The dependencies of routes: the services, the threads, and who calls.

A password comes by HTTP Basic (RFC 7617). An API key comes as a bearer token (RFC 6750), or by
HTTP Basic in place of the password. FastAPI's own parser refuses passwords in UTF-8 and accepts
NUL.

Credentials are checked in the same call as the work, because each call costs a switch of stacks
or threads (docs/decisions/0003-one-hop.md, 0010-queries-on-the-loop.md).
"""

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import (
    AuthenticationRequiredError,
    Creation,
    DetailedImage,
    InvalidCredentialsError,
    InvalidKeyError,
    Scope,
    User,
    find_key_id,
)
from pixy_core.keys import KEY_PREFIX
from pixy_core.users import has_control_characters
from pixy_service import (
    Credentials,
    KeyCredentials,
    PrivateImageService,
    PublicImageService,
    QueryRunner,
    Services,
)
from pixy_service.accounts.sign_in_limit import site_of
from pixy_service.images.private import require_image
from pixy_web.threads.places import UploadPlaces
from pixy_web.threads.pools import Pools, open_pools
from pixy_web.threads.single_flight import SingleFlight
from pixy_web.threads.threads import ThreadsBusyError

T = TypeVar("T")


@dataclass(frozen=True)
class V1Rules:
    """The rules of the OpenAI-compatible API.

    Attributes:
        aliases: Names of models that stand for others; None is the default model.
        is_lenient: Whether unknown members of requests are ignored.
        ping_interval: Seconds of silence in a stream after which a comment is sent.
        generation_timeout: Seconds until a generation is given up.
    """

    aliases: Mapping[str, str | None]
    is_lenient: bool
    ping_interval: float
    generation_timeout: float


@dataclass(frozen=True)
class Runtime:
    """The resources that the application opens when it starts and closes when it stops.

    Attributes:
        services: The service layer.
        pools: Threads for everything that blocks.
        query: Runs a function that reads one or two rows.
        max_body_size: Maximum bytes of a request body, apart from uploads.
        max_upload_size: Maximum bytes of an uploaded file.
        upload_places: How many uploads are received at once.
        body_grace: Seconds that a request body may take, whatever its rate.
        v1: The rules of the OpenAI-compatible API.
        public_max_age: Seconds for which caches may keep public images.
        accel_redirect: Prefix of the internal location from which nginx sends files; None: the
            application sends them.
        flights: Running work whose result several requests share.
    """

    services: Services
    pools: Pools
    query: QueryRunner
    max_body_size: int
    max_upload_size: int
    upload_places: UploadPlaces
    body_grace: float
    v1: V1Rules
    public_max_age: int = 60
    accel_redirect: str | None = None
    flights: SingleFlight[Any] = field(default_factory=SingleFlight)


def open_runtime(
    services: Services, *, threads: int, check: Callable[[], None], **settings: Any
) -> Runtime:
    """Start the threads.

    Args:
        services: The service layer.
        threads: See `open_pools`.
        check: See `open_pools`.
        settings: The other attributes of Runtime.
    """
    pools = open_pools(threads, check)
    query = services.make_query_runner(
        pools.reads.run, concurrency=threads, refusal=ThreadsBusyError, check=check
    )
    return Runtime(services, pools, query, **settings)


def get_runtime(request: Request) -> Runtime:
    """Return the runtime of the application that serves a request.

    Raises:
        RuntimeError: The application is mounted in another one that did not start its lifespan.
    """
    try:
        runtime: Runtime = request.app.state.runtime
    except AttributeError as error:
        raise RuntimeError(
            "The lifespan of the application that create_app returned was not started: the "
            "application that mounts it must do that, see the README of pixy-web"
        ) from error
    return runtime


def read_guid(request: Request) -> str:
    """Return the guid of the path, which the service validates."""
    guid: str = request.path_params["guid"]
    return guid


async def add_details(
    runtime: Runtime, service: PublicImageService | PrivateImageService, image: DetailedImage
) -> DetailedImage:
    """Return an image with what only its own details tell; for most images that takes no query.

    Args:
        runtime: The application's.
        service: The caller's.
        image: As the service returned it.
    """
    if not image.source_count:
        return image
    return await runtime.query(service.add_details, image)


class PublicImages:
    """The image service for requests without credentials."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def get_image(self, guid: str) -> tuple[PublicImageService, DetailedImage]:
        """Return a public image, and the service that opens its file.

        Raises:
            InvalidInputError: `guid` is not a canonical UUID.
            RecordNotFoundError: There is no such public image.
        """
        service = self._runtime.services.public_images
        return service, await self._runtime.query(service.get_image_by_guid, guid)

    async def call(
        self, operation: Callable[[PublicImageService], T], *, is_search: bool = False
    ) -> T:
        """Run one operation in a thread.

        Args:
            operation: The operation.
            is_search: True if the operation may keep the database busy for seconds.

        Raises:
            ThreadsBusyError: Too many operations of this kind wait.
        """
        pools = self._runtime.pools
        threads = pools.public_searches if is_search else pools.reads
        return await threads.run(operation, self._runtime.services.public_images)


class PrivateImages:
    """The image service for the user whose credentials a request carries.

    Every method signs in first. An API key is recognised by one query; a password that is not
    remembered is hashed in a thread.

    Raises:
        InvalidCredentialsError: The credentials are wrong.
        ScopeMissingError: The API key may not do this.
        PasswordRequiredError: No API key may do this.
        TooManyFailuresError: This address sent too many wrong passwords.
        ThreadsBusyError: Too many passwords wait to be checked, or too many operations.
    """

    def __init__(self, request: Request, credentials: Credentials | KeyCredentials) -> None:
        self._runtime = get_runtime(request)
        self._credentials = credentials
        # the request log is of a higher room
        self._record = request.scope["state"]["request_record"]

    async def get_details(self, guid: str) -> tuple[User, DetailedImage | Creation]:
        """Return the user, and an image that the user may see or an own creation.

        Raises:
            InvalidInputError: `guid` is not a canonical UUID.
            RecordNotFoundError: There is no such image or creation that the user may see.
        """
        services, query = self._runtime.services, self._runtime.query
        credentials = self._credentials
        if isinstance(credentials, Credentials):
            viewer = await query(services.credentials.recall_viewer, credentials, guid)
        else:
            viewer = await query(services.keys.recall_viewer, credentials, guid)
        user = await self._check_password() if viewer is None else viewer.user
        self._record.user = user.username
        if viewer is not None and viewer.image is not None:
            return user, viewer.image
        return user, await query(services.private_images(user).get_details, guid)

    async def get_image(self, guid: str) -> tuple[PrivateImageService, DetailedImage]:
        """Return an image that the user may see, and the service that opens its file.

        Raises:
            ImagePendingError: It is not generated yet.
            PixyProxyException: See `get_details`.
        """
        user, details = await self.get_details(guid)
        return self._runtime.services.private_images(user), require_image(details)

    async def sign_in(self) -> PrivateImageService:
        """Return the user's service."""
        return self._runtime.services.private_images(await self.authenticate())

    async def authenticate(self) -> User:
        """Return the user."""
        user = await self._runtime.query(self._recall) or await self._check_password()
        self._record.user = user.username
        return user

    async def call(
        self, operation: Callable[[PrivateImageService], T], *, is_search: bool = False
    ) -> T:
        """Run one operation in a thread; with a remembered password it takes one hop."""
        pools = self._runtime.pools
        threads = pools.searches if is_search else pools.reads
        remembered: tuple[T] | None = await threads.run(self._run_if_remembered, operation)
        if remembered is not None:
            return remembered[0]
        user = await self._check_password()
        self._record.user = user.username
        return await threads.run(operation, self._runtime.services.private_images(user))

    def _recall(self) -> User | None:
        """Return the user of an API key or a remembered password; None: call `check`."""
        services, credentials = self._runtime.services, self._credentials
        if isinstance(credentials, Credentials):
            return services.credentials.recall(credentials)
        return services.keys.recall(credentials)

    async def _check_password(self) -> User:
        credentials = self._credentials
        if not isinstance(credentials, Credentials):
            raise InvalidKeyError
        check, site = self._runtime.services.credentials.check, site_of(credentials.address)
        return await self._runtime.pools.passwords.run(site, check, credentials)

    def _run_if_remembered(self, operation: Callable[[PrivateImageService], T]) -> tuple[T] | None:
        user = self._recall()
        if user is None:
            return None
        self._record.user = user.username
        return (operation(self._runtime.services.private_images(user)),)


async def get_private_images(request: Request) -> PrivateImages:
    """Return the image service for a request's credentials, which are not checked yet.

    Raises:
        AuthenticationRequiredError: The request carries no credentials.
        InvalidCredentialsError: They are malformed.
    """
    return PrivateImages(request, read_credentials(request))


async def sign_in(request: Request) -> PrivateImageService:
    """Check a request's credentials, and return the user's service.

    Writes depend on it, so that the body is read only for users.

    Raises:
        AuthenticationRequiredError: The request carries no credentials.
        InvalidCredentialsError: The credentials are wrong.
        ScopeMissingError: The API key may not do this.
        PasswordRequiredError: No API key may do this.
        TooManyFailuresError: Too many wrong passwords came from this address.
    """
    images = await get_private_images(request)
    return await images.sign_in()


async def authenticate(request: Request) -> User:
    """Check a request's credentials, and return the user.

    Raises:
        PixyProxyException: As `sign_in`.
    """
    images = await get_private_images(request)
    return await images.authenticate()


def read_credentials(request: Request) -> Credentials | KeyCredentials:
    """Return the user name and password, or the API key, that a request carries.

    Raises:
        AuthenticationRequiredError: It carries none.
        InvalidCredentialsError: The header has another scheme, or malformed Basic credentials.
        HTTPException: 400, there are two such headers.
    """
    scope = request.scope
    # ASGI: names of headers are in lower case
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    if not headers:
        raise AuthenticationRequiredError
    if len(headers) > 1:
        raise HTTPException(400, "More than one Authorization header")
    # a route without this attribute is no private one: better a crash than an open door
    needed: Scope | None = scope["route"].needed
    scheme, _, token = headers[0].partition(b" ")
    # RFC 9110, section 11.1: the name of a scheme is case-insensitive
    scheme = scheme.lower()
    if scheme == b"bearer":
        return KeyCredentials(token.strip(b" ").decode("latin-1"), needed)
    if scheme != b"basic":
        raise InvalidCredentialsError
    client = scope.get("client")
    credentials = parse_basic_token(token.strip(b" "), client[0] if client else "")
    password = credentials.password
    if password.startswith(KEY_PREFIX) and find_key_id(password) is not None:
        return KeyCredentials(password, needed, credentials.username)
    return credentials


def parse_basic_token(token: bytes, address: str) -> Credentials:
    """Return the credentials in a Basic token: `user:password` in UTF-8, as base64.

    Args:
        token: The header after the scheme.
        address: The client's address.

    Raises:
        InvalidCredentialsError: It is not base64, not UTF-8, has no colon, or has control
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
