"""What routes depend on: the image service as their caller sees it.

What asks for a row or two needs no thread where the database is a server. Credentials are
checked in the same call as the work, because each costs a change of stacks or of threads
(`docs/decisions/0003-one-hop.md`, `0010-queries-on-the-loop.md`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends
from starlette.requests import Request

from pixy_service import (
    Credentials,
    LoopCalls,
    PrivateImageService,
    PublicImageService,
    Services,
)
from pixy_web.authentication import read_credentials
from pixy_web.threads import Threads

T = TypeVar("T")


@dataclass(frozen=True)
class Runtime:
    """What the application opens at its start and closes at its end.

    Attributes:
        services: The floor below.
        queries: Runs what asks the database for a row or two.
        reads: Threads for everything that waits for the database or a file.
        passwords: Threads for hashing, so that a flood of wrong passwords keeps to itself.
        thumbnails: Threads for making thumbnails, which keep a core busy for a moment.
        max_body_size: Bytes of a request body that are read at most.
    """

    services: Services
    queries: Threads | LoopCalls
    reads: Threads
    passwords: Threads
    thumbnails: Threads
    max_body_size: int


class PublicImages:
    """The image service as a stranger sees it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def ask(self, operation: Callable[[PublicImageService], T]) -> T:
        """Run one operation that only asks the database for a row or two.

        Raises:
            PixyProxyException: Whatever the operation raises.
        """
        return await self._runtime.queries.run(operation, self._runtime.services.public_images)

    async def call(self, operation: Callable[[PublicImageService], T]) -> T:
        """Run one operation that may take its time.

        Raises:
            PixyProxyException: Whatever the operation raises.
        """
        return await self._runtime.reads.run(operation, self._runtime.services.public_images)


class PrivateImages:
    """The image service as the user sees it whose credentials the request carries."""

    def __init__(self, runtime: Runtime, credentials: Credentials) -> None:
        self._runtime = runtime
        self._credentials = credentials

    async def ask(self, operation: Callable[[PrivateImageService], T]) -> T:
        """Sign in and run one operation that only asks the database for a row or two.

        Raises:
            PixyProxyException: As `call`.
        """
        return await self._run(self._runtime.queries, operation)

    async def call(self, operation: Callable[[PrivateImageService], T]) -> T:
        """Sign in and run one operation that may take its time.

        Raises:
            InvalidCredentialsError: The credentials are wrong.
            TooManyFailuresError: Too many wrong ones came from this address.
            ThreadsBusyError: Too many passwords wait to be checked.
            PixyProxyException: Whatever the operation raises.
        """
        return await self._run(self._runtime.reads, operation)

    async def _run(
        self, where: Threads | LoopCalls, operation: Callable[[PrivateImageService], T]
    ) -> T:
        """Sign in and run an operation, in one call for a known user."""
        services = self._runtime.services
        remembered: tuple[T] | None = await where.run(self._run_if_remembered, operation)
        if remembered is not None:
            return remembered[0]
        user = await self._runtime.passwords.run(services.credentials.check, self._credentials)
        return await where.run(operation, services.private_images(user))

    def _run_if_remembered(self, operation: Callable[[PrivateImageService], T]) -> tuple[T] | None:
        services = self._runtime.services
        user = services.credentials.recall(self._credentials)
        return None if user is None else (operation(services.private_images(user)),)


def get_runtime(request: Request) -> Runtime:
    """Return what the application that serves `request` has opened."""
    runtime: Runtime = request.app.state.runtime
    return runtime


# async, though they await nothing: FastAPI sends a plain function to a thread


async def get_private_images(request: Request) -> PrivateImages:
    """Return the image service for a request with credentials; they are checked at its call.

    Raises:
        AuthenticationRequiredError: The request carries no credentials.
        InvalidCredentialsError: They are malformed.
    """
    return PrivateImages(get_runtime(request), read_credentials(request))


async def sign_in(
    images: Annotated[PrivateImages, Depends(get_private_images)],
) -> PrivateImageService:
    """Return the user's service, once the credentials are found to be right.

    Writes depend on it, so that nobody who isn't signed in gets as far as their body.

    Raises:
        InvalidCredentialsError: The credentials are wrong.
        TooManyFailuresError: Too many wrong ones came from this address.
    """
    return await images.ask(lambda service: service)
