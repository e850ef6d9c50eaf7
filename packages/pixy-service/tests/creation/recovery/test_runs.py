"""A run of recovery: what it does first, and where it ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    DBConnectionError,
    PromptRejectedError,
    StoreMismatchError,
    User,
)
from pixy_data import Deletion, FileStore, FolderMark, StoreMarker
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.images.deletion import ImageRemover
from pixy_service.stores import ImageStores
from recovery_pieces import ASKED, LosesDatabase, expire, run_twice, status_of, take

DELETED = "ffffffff-0000-4000-8000-000000000000"


def test_a_run_that_is_to_stop_leaves_the_rest_to_the_next_start(
    waiting: Creation, stores: ImageStores, people: tuple[User, ...], remover: ImageRemover
) -> None:
    claims = Claims(stores)
    dead = take(claims, people[0], "another key")
    claims.end(dead.guid)
    expire(stores.database)
    stores.deletions.insert_deletion(Deletion(DELETED, f"{DELETED}.png"))
    recovery = Recovery(stores, claims, ImageAdopter(stores), remover.finish_deletions, patience=0)
    recovery.close()
    run_twice(recovery)
    assert stores.content.list_kept() == [waiting.guid]
    assert [deletion.guid for deletion in stores.deletions.list_deletions(9)] == [DELETED]
    assert status_of(stores, dead) == CreationStatus.PENDING


def test_an_outcome_is_written_while_the_store_is_away(
    open_creator: Callable[..., ImageCreator],
    claims: Claims,
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    creator = open_creator(LosesDatabase(stores.database, PromptRejectedError()))
    with pytest.raises(PromptRejectedError):
        creator.create(ASKED, people[0])
    stores.database.initialised = True
    (tmp_path / "images" / ".store").write_text("0" * 64 + "\n")
    marker = StoreMarker(stores.database, FolderMark(tmp_path / "images"))
    marked = replace(stores, content=FileStore(tmp_path / "images", marker=marker))
    with pytest.raises(StoreMismatchError):
        Recovery(marked, claims, ImageAdopter(marked)).run_once()
    assert len(stores.creations.list_creations("ann", CreationStatus.FAILED, 9)) == 1


def test_an_outage_of_the_database_late_in_a_run_gives_processes_time_to_extend_their_leases(
    claims: Claims, stores: ImageStores, people: tuple[User, ...]
) -> None:
    def lose_database(_: object) -> None:
        stores.database.initialised = False
        stores.database.ping()

    creation = take(claims, people[0])
    claims.end(creation.guid)
    expire(stores.database)
    recovery = Recovery(stores, claims, ImageAdopter(stores), lose_database, patience=0)
    for _ in range(2):
        with pytest.raises(DBConnectionError):
            recovery.run_once()
        stores.database.initialised = True
    assert status_of(stores, creation) == CreationStatus.PENDING


def test_an_outage_of_the_store_does_not_keep_the_places_of_dead_processes(
    claims: Claims, stores: ImageStores, people: tuple[User, ...], tmp_path: Path
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    claims.end(creation.guid)
    expire(stores.database)
    marker = StoreMarker(stores.database, FolderMark(tmp_path / "images"))
    marked = replace(stores, content=FileStore(tmp_path / "images", marker=marker))
    recovery = Recovery(marked, claims, ImageAdopter(marked), patience=0)
    recovery.run_once()
    mark = tmp_path / "images" / ".store"
    right = mark.read_text()
    mark.write_text("0" * 64 + "\n")
    with pytest.raises(StoreMismatchError):
        recovery.run_once()
    mark.write_text(right)
    recovery.run_once()
    assert status_of(stores, creation) == CreationStatus.UNKNOWN
