"""The composition root: builds all services over one database and one folder, and closes them."""

import logging
import threading
from collections.abc import Callable
from typing import Self

from pixy_core import DatabaseBusyError, DBConnectionError, PixyProxyException, User
from pixy_data import QueryRunner, initialise_database
from pixy_service.accounts.keys import KeyService
from pixy_service.accounts.passwords import CredentialService
from pixy_service.accounts.sign_in_limit import SignInLimit
from pixy_service.accounts.users import UserService
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.observer import NO_OBSERVER, GenerationObserver
from pixy_service.creation.recovery import Recovery
from pixy_service.creation.slots import GenerationExecutor
from pixy_service.creation.uploads import ImageUploader
from pixy_service.generators.interface import ImageGenerator, ModelInfo
from pixy_service.generators.model_guard import ModelGuard
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
        credentials: Checks user names and passwords.
        keys: Makes and recognises API keys.
        public_images: Images for callers without credentials.

    Args:
        stores: Rows, files and the journal; this object closes their database.
        thumbnails: Smaller pictures of the files.
        generator: Makes the images; this object closes it.
        generation_concurrency: Images that may be made at once.
        generation_timeout: Deadline in seconds from the start of a generation. Failed attempts to
            store the image are repeated until then.
        provider_places: Images that all processes of the database may make at once; None: no limit.
        sign_in_limit: The limit of wrong passwords.
        limits: Maximum sizes of caller input.
        observer: Follows how images are made.
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
        provider_places: int | None,
        sign_in_limit: SignInLimit,
        limits: Limits,
        observer: GenerationObserver = NO_OBSERVER,
    ) -> None:
        claims, adopter = Claims(stores, provider_places), ImageAdopter(stores)
        self._stores, self._generator, self._closing = stores, generator, threading.Event()
        self._probe, self._guard = StorageProbe(stores), ModelGuard(generator)
        self._tools = ImageTools(
            stores=stores,
            claims=claims,
            thumbnails=thumbnails,
            creator=self._build_creator(claims, adopter, generation_timeout, observer),
            uploader=ImageUploader(stores, claims, adopter, limits),
            remover=ImageRemover(stores, thumbnails),
            executor=GenerationExecutor(generation_concurrency, observer.note_running),
            max_prompt_length=limits.prompt_length,
        )
        self.users, self.keys = UserService(stores.users, limits), _build_keys(stores)
        self._recovery = self._build_recovery(claims, adopter, observer)
        self.credentials = CredentialService(stores.users, sign_in_limit, limits)
        self.public_images = _build_public_images(stores, thumbnails)

    def _build_creator(
        self, claims: Claims, adopter: ImageAdopter, timeout: float, observer: GenerationObserver
    ) -> ImageCreator:
        return ImageCreator(
            self._stores, claims, adopter, self._generator, timeout=timeout, observer=observer
        )

    def _build_recovery(
        self, claims: Claims, adopter: ImageAdopter, observer: GenerationObserver
    ) -> Recovery:
        return Recovery(
            self._stores,
            claims,
            adopter,
            self._tools.remover.finish_deletions,
            note_uses=self.keys.note_uses,
            observer=observer,
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

    def list_models(self) -> list[ModelInfo]:
        """Return the models that a request may name, the usual one first.

        A model has the date of its shutdown once the provider has told it.
        """
        return self._guard.list_models()

    def list_warnings(self) -> list[str]:
        """Return what an operator should act on while everything works: models that will be gone.

        It asks nobody. From 60 days before the shutdown each model has a sentence, with the
        setting to change.
        """
        return self._guard.list_warnings()

    def close(self) -> None:
        """Wait for the images that are being made, then release everything; safe to call twice."""
        self._closing.set()
        self._tools.executor.close()
        # until here it kept the leases of what ran
        self._recovery.close()
        if self._stores.database.initialised:
            self.keys.close()
        self._guard.close()
        if self._waiter is not None:
            self._waiter.join()
        self._generator.close()
        self._stores.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def initialise(self, *, wait_for_database: bool, upgrade: bool = True) -> None:
        """Initialise the database now, or in a thread once it is up; then start recovery.

        Args:
            wait_for_database: As for `open_services`.
            upgrade: As for `open_services`.

        Raises:
            DBConnectionError: It is down, and is not waited for.
            PixyProxyException: It can't be used, see `open_services`.
        """
        try:
            initialise_database(self._stores.database, upgrade=upgrade)
        except (DBConnectionError, DatabaseBusyError) as error:
            if not wait_for_database:
                raise
            logger.warning(
                "the database is not ready, and is tried again every second: %s",
                error.explanation,
            )
            self._wait_for_database(upgrade)
        else:
            self._look_at_content()
        self._recovery.start()
        self._guard.start()

    def _look_at_content(self) -> None:
        """Mark a new image folder; log it if the folder belongs to another database."""
        try:
            self._stores.content.verify()
        except PixyProxyException as error:
            logger.critical("no image can be read or stored: %s", error.explanation)

    def _wait_for_database(self, upgrade: bool) -> None:
        """Start a thread that tries to initialise the database every second."""
        self._waiter = threading.Thread(
            target=self._initialise_repeatedly,
            args=(upgrade,),
            name="pixy-database-waiter",
            daemon=True,
        )
        self._waiter.start()

    def _initialise_repeatedly(self, upgrade: bool) -> None:
        while not self._closing.wait(_RETRY_PAUSE):
            try:
                initialise_database(self._stores.database, upgrade=upgrade)
            except PixyProxyException as error:
                logger.warning("the database is still not ready: %s", error.explanation)
            else:
                logger.info("the database is ready")
                self._look_at_content()
                return


def _build_keys(stores: ImageStores) -> KeyService:
    return KeyService(stores.keys, stores.users)


def _build_public_images(stores: ImageStores, thumbnails: Thumbnails) -> PublicImageService:
    return PublicImageService(stores.database, stores.images, stores.content, thumbnails)
