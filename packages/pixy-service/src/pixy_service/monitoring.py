"""Measures the state of an installation, for a program that shows it to operators."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from pixy_data import Database, initialise_database, open_content
from pixy_service.generators.interface import ImageGenerator
from pixy_service.generators.model_guard import choose_pause, date_models, today
from pixy_service.stores import ImageStores

_CONNECTIONS = 3
"""Two measurements ask the database; one that hangs must not stop the others."""


class Monitor:
    """Measures database, store and models; a measurement may take as long as what it asks.

    Its methods may run in several threads at once, but each in one only.

    Args:
        stores: Rows and bytes.
        folder: The folder of the image files, or of uploads that are on their way to a bucket.
        generator: Whose models are looked up.
    """

    def __init__(self, stores: ImageStores, folder: Path, generator: ImageGenerator) -> None:
        self._stores = stores
        self._folder = folder
        self._generator = generator
        self._shutdown: date | None = None
        self._ask_at = 0.0

    def check_database(self) -> None:
        """Return if the database answers and has the tables of this version.

        Raises:
            PixyProxyException: It has not, or does not answer.
        """
        if self._stores.database.initialised:
            # a table: on SQLite, `SELECT 1` would not read the file
            self.count_places()
        else:
            initialise_database(self._stores.database, upgrade=False)

    def count_places(self) -> int:
        """Return how many places all processes of the database have taken.

        Raises:
            DBConnectionError: The database does not answer, or `check_database` never succeeded.
        """
        return self._stores.provider_limits.count_places()

    def count_journal_entries(self) -> int:
        """Return how many entries the journal has.

        Raises:
            StorageUnavailableError: The store does not answer.
        """
        return len(self._stores.content.list_kept())

    def measure_free_bytes(self) -> int:
        """Return the free bytes on the disk of the data folder.

        Raises:
            OSError: The folder is not there.
        """
        return shutil.disk_usage(self._folder).free

    def find_shutdown_days(self) -> int | None:
        """Return the days until the first of the generator's models is gone; None: not known.

        The provider is asked once a day.
        """
        if time.monotonic() >= self._ask_at:
            found = self._generator.list_provider_models()
            if found:
                dated = date_models(self._generator, found)
                known = [model.shutdown_date for model in dated if model.shutdown_date]
                self._shutdown = min(known, default=None)
            self._ask_at = time.monotonic() + choose_pause(found)
        return None if self._shutdown is None else (self._shutdown - today()).days


@contextmanager
def open_monitor(
    database_url: str, data_dir: Path, content: str | None, generator: ImageGenerator
) -> Iterator[Monitor]:
    """Open a monitor, in a context manager; nothing connects before its first measurement.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`.
        content: As for `open_services`.
        generator: Whose models are looked up; it is closed at the end.

    Raises:
        ConfigurationError: A URL can't be used.
    """
    database = Database(database_url, pool_size=_CONNECTIONS)
    try:
        stores = ImageStores.over(database, open_content(database, data_dir, content))
        folder = data_dir / ("images" if content is None else "spool")
        yield Monitor(stores, folder, generator)
    finally:
        generator.close()
        database.close()
