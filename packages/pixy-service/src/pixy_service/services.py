"""The composition root: builds all services over one database and one folder, and closes them."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pixy_core import DatabaseBusyError, DBConnectionError, PixyProxyException, User
from pixy_data import QueryRunner, initialise_database
from pixy_service.accounts.passwords import CredentialService
from pixy_service.accounts.sign_in_limit import SignInLimit
from pixy_service.accounts.users import UserService
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.creation.slots import GenerationExecutor
from pixy_service.generators.interface import ImageGenerator
from pixy_service.images.deletion import ImageRemover
from pixy_service.images.private import ImageTools, PrivateImageService
from pixy_service.images.public import PublicImageService
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.stores import ImageStores, StorageProbe
from pixy_service.validation import Limits

logger = logging.getLogger(__name__)

_RETRY_PAUSE = 1.0


class Services:
    """All services of one application.

    `open_services` makes it.

    Attributes:
        users: The users.
        credentials: Checks credentials.
        public_images: Images for callers without credentials.

    Args:
        stores: Rows, files and the journal; this object closes their database.
        thumbnails: Smaller pictures of the files.
        generator: Makes the images; this object closes it.
        generation_concurrency: Images that may be made at once.
        generation_timeout: Seconds from the start of a generation; until then storing is tried
            again.
        sign_in_limit: The limit of wrong passwords.
        limits: Maximum lengths of caller input.
    """

    _waiter: threading.Thread | None = None

    def __init__(
        self,
        stores: ImageStores,
        thumbnails: Thumbnails,
        generator: ImageGenerator,
        *,
        generation_concurrency: int,
        generation_timeout: float,
        sign_in_limit: SignInLimit,
        limits: Limits,
    ) -> None:
        claims, adopter = Claims(stores), ImageAdopter(stores)
        self._stores, self._generator = stores, generator
        self._probe = StorageProbe(stores)
        self._tools = ImageTools(
            stores=stores,
            claims=claims,
            thumbnails=thumbnails,
            creator=ImageCreator(stores, claims, adopter, generator, timeout=generation_timeout),
            remover=ImageRemover(stores, thumbnails),
            executor=GenerationExecutor(generation_concurrency),
            max_prompt_length=limits.prompt_length,
        )
        self._recovery = Recovery(stores, claims, adopter, self._tools.remover.finish_deletions)
        self._closing = threading.Event()
        self.users = UserService(stores.users, limits)
        self.credentials = CredentialService(stores.users, sign_in_limit, limits)
        self.public_images = PublicImageService(
            stores.database, stores.images, stores.content, thumbnails
        )

    def private_images(self, user: User) -> PrivateImageService:
        """Return the image service of a user whose credentials have been checked; it is cheap."""
        return PrivateImageService(self._tools, user)

    def make_query_runner(
        self,
        run_in_thread: QueryRunner,
        *,
        concurrency: int,
        refusal: type[Exception],
        check: Callable[[], None] | None = None,
    ) -> QueryRunner:
        """Return the coroutine by which an asyncio application reads a row or two.

        Args:
            run_in_thread: Runs a function in the application's own thread pool.
            concurrency: Maximum number of functions that run without a thread at once.
            refusal: Raised for a call when too many wait, or when it has waited too long.
            check: Called before a call that had to wait runs; it may raise.
        """
        return self._stores.database.make_query_runner(
            run_in_thread, concurrency=concurrency, refusal=refusal, check=check
        )

    def check_ready(self) -> None:
        """Return if an image could be made and stored now.

        Raises:
            DBConnectionError: The database can't be reached.
            DatabaseBusyError: It has no free connection.
            StorageUnavailableError: Files can't be written.
        """
        self._stores.database.ping()
        self._probe.check()

    def close(self) -> None:
        """Wait for the images that are being made, then release everything; safe to call twice."""
        self._closing.set()
        self._tools.executor.close()
        # until here it kept the leases of what ran
        self._recovery.close()
        if self._waiter is not None:
            self._waiter.join()
        self._generator.close()
        self._stores.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def initialise(self, *, wait_for_database: bool) -> None:
        """Initialise the database now, or in a thread once it is up; then start recovery.

        Args:
            wait_for_database: As for `open_services`.

        Raises:
            DBConnectionError: It is down, and is not waited for.
            PixyProxyException: It can't be used, see `open_services`.
        """
        try:
            initialise_database(self._stores.database)
        except (DBConnectionError, DatabaseBusyError) as error:
            if not wait_for_database:
                raise
            logger.warning(
                "the database is not ready, and is tried again every second: %s",
                error.explanation,
            )
            self._wait_for_database()
        else:
            self._look_at_content()
        self._recovery.start()

    def _look_at_content(self) -> None:
        """Mark a new image folder; log it if the folder belongs to another database."""
        try:
            self._stores.content.verify()
        except PixyProxyException as error:
            logger.critical("no image can be read or stored: %s", error.explanation)

    def _wait_for_database(self) -> None:
        """Start a thread that tries to initialise the database every second."""
        self._waiter = threading.Thread(
            target=self._initialise_repeatedly, name="pixy-database-waiter", daemon=True
        )
        self._waiter.start()

    def _initialise_repeatedly(self) -> None:
        while not self._closing.wait(_RETRY_PAUSE):
            try:
                initialise_database(self._stores.database)
            except PixyProxyException as error:
                logger.warning("the database is still not ready: %s", error.explanation)
            else:
                logger.info("the database is ready")
                self._look_at_content()
                return
