"""What routes depend on: the services, the threads, and the image service of a caller.

Credentials are checked in the same call as the work, because each call costs a switch of stacks
or threads (docs/decisions/0003-one-hop.md, 0010-queries-on-the-loop.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from pixy_core import Creation, Image, User
from pixy_service import (
    Credentials,
    PrivateImageService,
    PublicImageService,
    QueryRunner,
    Services,
)
from pixy_service.accounts.sign_in_limit import site_of
from pixy_service.creation.results import require_image
from pixy_web.threads.pools import Pools, open_pools
from pixy_web.threads.single_flight import SingleFlight
from pixy_web.threads.threads import ThreadsBusyError

T = TypeVar("T")


@dataclass(frozen=True)
class Runtime:
    """What the application opens when it starts and closes when it stops.

    Attributes:
        services: The service layer.
        pools: Threads for everything that blocks.
        query: Awaits a function that reads a row or two.
        max_body_size: Maximum bytes of a request body.
        public_max_age: Seconds for which caches may keep public images.
        accel_redirect: Prefix of the internal location from which nginx sends files, if it does.
        flights: Work that several requests may wait for.
    """

    services: Services
    pools: Pools
    query: QueryRunner
    max_body_size: int
    public_max_age: int = 60
    accel_redirect: str | None = None
    flights: SingleFlight[Any] = field(default_factory=SingleFlight)


def open_runtime(
    services: Services, *, threads: int, check: Callable[[], None], **settings: Any
) -> Runtime:
    """Start the threads.

    Args:
        services: The service layer.
        threads: As for `open_pools`.
        check: As for `open_pools`.
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


class PublicImages:
    """The image service for requests without credentials."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def get_image(self, guid: str) -> tuple[PublicImageService, Image]:
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
            is_search: True if it may keep the database busy for seconds.

        Raises:
            ThreadsBusyError: Too many operations of its kind wait.
        """
        pools = self._runtime.pools
        threads = pools.public_searches if is_search else pools.reads
        return await threads.run(operation, self._runtime.services.public_images)


class PrivateImages:
    """The image service for the user whose credentials a request carries.

    Every method signs in first.

    Raises:
        InvalidCredentialsError: The credentials are wrong.
        TooManyFailuresError: Too many wrong ones came from this address.
        ThreadsBusyError: Too many passwords wait to be checked, or too many operations.
    """

    def __init__(self, runtime: Runtime, credentials: Credentials) -> None:
        self._runtime = runtime
        self._credentials = credentials

    async def get_details(self, guid: str) -> tuple[User, Image | Creation]:
        """Return the user, and an image that the user may see or an own creation.

        Raises:
            InvalidInputError: `guid` is not a canonical UUID.
            RecordNotFoundError: There is no such image or creation that the user may see.
        """
        services, query = self._runtime.services, self._runtime.query
        viewer = await query(services.credentials.recall_viewer, self._credentials, guid)
        if viewer is not None and viewer.image is not None:
            return viewer.user, viewer.image
        user = await self._check_password() if viewer is None else viewer.user
        return user, await query(services.private_images(user).get_details, guid)

    async def get_image(self, guid: str) -> tuple[PrivateImageService, Image]:
        """Return an image that the user may see, and the service that opens its file.

        Raises:
            ImagePendingError: It is not generated yet.
            PixyProxyException: As `get_details`.
        """
        user, details = await self.get_details(guid)
        return self._runtime.services.private_images(user), require_image(details)

    async def sign_in(self) -> PrivateImageService:
        """Return the user's service."""
        services = self._runtime.services
        user = await self._runtime.query(services.credentials.recall, self._credentials)
        return services.private_images(user or await self._check_password())

    async def call(
        self, operation: Callable[[PrivateImageService], T], *, is_search: bool = False
    ) -> T:
        """Run one operation in a thread; with a remembered password it takes one hop."""
        pools = self._runtime.pools
        threads = pools.searches if is_search else pools.reads
        remembered: tuple[T] | None = await threads.run(self._run_if_remembered, operation)
        if remembered is not None:
            return remembered[0]
        service = self._runtime.services.private_images(await self._check_password())
        return await threads.run(operation, service)

    async def _check_password(self) -> User:
        check, site = self._runtime.services.credentials.check, site_of(self._credentials.address)
        return await self._runtime.pools.passwords.run(site, check, self._credentials)

    def _run_if_remembered(self, operation: Callable[[PrivateImageService], T]) -> tuple[T] | None:
        services = self._runtime.services
        user = services.credentials.recall(self._credentials)
        return None if user is None else (operation(services.private_images(user)),)
