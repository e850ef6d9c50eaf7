"""Shared by the tests of recovery: a database that is lost, and leases that expire."""

import logging
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    GenerationError,
    Image,
    ImageDetailCreate,
    User,
)
from pixy_data import Database, Journal, JournalEntry
from pixy_service import GeneratedImage
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.generators.interface import ImageOrder, OnPartial, ignore_partial
from pixy_service.stores import ImageStores
from provider_answers import PNG
from stored_images import write_journal

ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 30
ListFiles = Callable[[], list[Path]]


class LosesDatabase:
    """Loses its database while it draws, or instead of drawing."""

    name = "sketch"
    models = ("sketch-1",)

    def __init__(self, database: Database, failure: GenerationError | None = None) -> None:
        self._database = database
        self._failure = failure

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        del order, on_partial
        # the state before the first connection: statements fail until the database is back
        self._database.initialised = False
        if self._failure is not None:
            raise self._failure
        return GeneratedImage(PNG, "image/png", 64, 48, "sketch", "sketch-1")

    def close(self) -> None:
        """Do nothing."""


def expire(database: Database) -> None:
    database.execute("UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'", {})


def status_of(stores: ImageStores, creation: Creation) -> CreationStatus | None:
    found = stores.creations.find_creation(creation.guid, "ann")
    return None if found is None else found.status


def criticals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.CRITICAL]


def take(claims: Claims, user: User, key: str | None = "key") -> Creation:
    return claims.take(str(uuid.uuid4()), ASKED, user, key).creation


def run_twice(recovery: Recovery) -> None:
    """Run a recovery twice: it sees each lease, then ends those that were not extended."""
    recovery.run_once()
    recovery.run_once()


def write_entry(stores: ImageStores, image: Image) -> JournalEntry:
    entry = JournalEntry(image=image, owner="ann", class_key="red", created_at=image.created_at)
    data = stores.content.locate(image.filename).parents[2]
    write_journal(Journal(data / "journal"), entry)
    return entry
