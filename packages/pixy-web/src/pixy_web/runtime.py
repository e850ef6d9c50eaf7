"""What routes depend on: the image service of their caller.

Credentials are checked in the same call as the work, because each call costs a change of stacks or
threads (docs/decisions/0003-one-hop.md, 0010-queries-on-the-loop.md).
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
    Services,
    require_image,
    site_of,
)
from pixy_web.threads.pools import Pools
from pixy_web.threads.single_flight import SingleFlight

T = TypeVar("T")


@dataclass(frozen=True)
class Runtime:
    """What the application opens at its start and closes at its end.

    Attributes:
        services: The floor below.
        pools: Where calls of the services run.
        max_body_size: Maximum bytes of a request body.
        public_max_age: Seconds for which caches may keep public images.
        accel_redirect: Prefix of the internal location from which nginx sends files, if it does.
        flights: What is being made for one caller or several.
    """

    services: Services
    pools: Pools
    max_body_size: int
    public_max_age: int = 60
    accel_redirect: str | None = None
    flights: SingleFlight[Any] = field(default_factory=SingleFlight)


class PublicImages:
    """The image service as a stranger sees it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def find_image(self, guid: str) -> tuple[PublicImageService, Image]:
        """Return an image, and who may be asked for its file.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that strangers may see.
            PixyProxyException: The database failed.
        """
        service = self._runtime.services.public_images
        return service, await self._runtime.pools.queries.run(service.get_image_by_guid, guid)

    async def call(
        self,
        operation: Callable[[PublicImageService], T],
        *,
        is_search: bool = False,
    ) -> T:
        """Run one operation.

        Args:
            operation: What to run.
            is_search: Whether it may take seconds of the database's time.

        Raises:
            ThreadsBusyError: Too many operations of its kind wait.
            PixyProxyException: Whatever the operation raises.
        """
        pools = self._runtime.pools
        where = pools.public_searches if is_search else pools.reads
        return await where.run(operation, self._runtime.services.public_images)


class PrivateImages:
    """The image service as the user sees it whose credentials the request carries."""

    def __init__(self, runtime: Runtime, credentials: Credentials) -> None:
        self._runtime = runtime
        self._credentials = credentials

    async def find_details(self, guid: str) -> tuple[PrivateImageService, Image | Creation]:
        """Sign in and return an image or own creation, and who may be asked about it.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image or creation, or none that the user may see.
            PixyProxyException: As `call`.
        """
        services, queries = self._runtime.services, self._runtime.pools.queries
        recalled = await queries.run(services.recall_details, self._credentials, guid)
        if recalled is not None:
            return recalled
        service = services.private_images(await self._check())
        return service, await queries.run(service.get_details, guid)

    async def find_image(self, guid: str) -> tuple[PrivateImageService, Image]:
        """Sign in and return an image, and who may be asked for its file.

        Raises:
            ImagePendingError: It is still being made.
            PixyProxyException: As `find_details`.
        """
        service, details = await self.find_details(guid)
        return service, require_image(details)

    async def sign_in(self) -> PrivateImageService:
        """Sign in and return the user's service.

        Raises:
            PixyProxyException: As `call`.
        """
        services, queries = self._runtime.services, self._runtime.pools.queries
        user = await queries.run(services.credentials.recall, self._credentials)
        return services.private_images(user or await self._check())

    async def call(
        self,
        operation: Callable[[PrivateImageService], T],
        *,
        is_search: bool = False,
    ) -> T:
        """Sign in and run one operation, in one call for a known user.

        Args:
            operation: What to run.
            is_search: Whether it may take seconds of the database's time.

        Raises:
            InvalidCredentialsError: The credentials are wrong.
            TooManyFailuresError: Too many wrong ones came from this address.
            ThreadsBusyError: Too many passwords wait to be checked, or operations of its kind.
            PixyProxyException: Whatever the operation raises.
        """
        pools = self._runtime.pools
        where = pools.searches if is_search else pools.reads
        remembered: tuple[T] | None = await where.run(self._run_if_remembered, operation)
        if remembered is not None:
            return remembered[0]
        service = self._runtime.services.private_images(await self._check())
        return await where.run(operation, service)

    async def _check(self) -> User:
        """Return the user whose password is not remembered, or not any more."""
        services = self._runtime.services
        check, site = services.credentials.check, site_of(self._credentials.address)
        return await self._runtime.pools.passwords.run(site, check, self._credentials)

    def _run_if_remembered(self, operation: Callable[[PrivateImageService], T]) -> tuple[T] | None:
        services = self._runtime.services
        user = services.credentials.recall(self._credentials)
        return None if user is None else (operation(services.private_images(user)),)


def get_runtime(request: Request) -> Runtime:
    """Return what the application that serves `request` has opened.

    Raises:
        RuntimeError: Its lifespan has not begun: an application that is mounted in another one
            has to be started by that one.
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
