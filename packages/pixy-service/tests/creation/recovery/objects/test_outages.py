"""Runs of recovery while a bucket refuses everything, or some of it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bucket_recovery import Buckets, fail, find_status, write, write_bytes
from pixy_core import CreationStatus, StorageUnavailableError, User
from pixy_data import Database, Deletion, JournalEntry, StoreMarker
from pixy_data.content.objects.mark import BucketMark
from pixy_data.content.objects.store import ObjectStore
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.images.deletion import ImageRemover
from pixy_service.stores import ImageStores
from recovery_pieces import expire, status_of, take
from s3_faults import Choose, Fault, S3Request, call, forbid


@pytest.fixture
def stores(database: Database, buckets: Buckets, tmp_path: Path) -> ImageStores:
    """Stores whose bucket has a mark: if it can be read, only a single object is bad."""
    marker = StoreMarker(database, BucketMark(buckets.proxied))
    content = ObjectStore(buckets.proxied, tmp_path, reserve=0, marker=marker)
    content.verify()
    return ImageStores.over(database, content)


def is_removal(request: S3Request) -> bool:
    # objects are deleted by a POST
    return request.method == "POST"


def is_listing(request: S3Request) -> bool:
    return request.method == "GET" and "list-type" in request.query


def is_image(request: S3Request) -> bool:
    return "/images/" in request.path


@pytest.fixture
def list_deletions(stores: ImageStores, claims: Claims, ann: User) -> Callable[[int], list[str]]:
    """Return a function that lists so many images as deleted, and returns their guids."""

    def list_some(number: int) -> list[str]:
        images = [fail(stores, claims, ann).image for _ in range(number)]
        for image in images:
            stores.deletions.insert_deletion(Deletion(image.guid, image.filename))
        return sorted(image.guid for image in images)

    return list_some


def leave(stores: ImageStores, claims: Claims, ann: User, buckets: Buckets) -> JournalEntry:
    """Leave an image in the journal that was reported as not stored."""
    entry = fail(stores, claims, ann)
    write(buckets.direct, entry)
    write_bytes(buckets.direct, entry)
    return entry


class Outage:
    """Refuses everything from a request on.

    Attributes:
        requests: The requests so far that begin it.
    """

    def __init__(self, begins: Choose) -> None:
        self._begins = begins
        self.requests: list[S3Request] = []

    def __call__(self, request: S3Request) -> Fault | None:
        """Return the fault of a request."""
        if self._begins(request) is not None:
            self.requests.append(request)
        return forbid if self.requests else None


def test_deletions_end_when_the_store_goes_away(
    stores: ImageStores,
    buckets: Buckets,
    remover: ImageRemover,
    list_deletions: Callable[[int], list[str]],
) -> None:
    list_deletions(5)
    outage = Outage(lambda request: forbid if is_removal(request) else None)
    buckets.faults.choose = outage
    with pytest.raises(StorageUnavailableError):
        remover.finish_deletions()
    assert len(outage.requests) == 1
    buckets.faults.choose = lambda _: None
    remover.finish_deletions()
    assert stores.deletions.list_deletions(9) == []


def test_deletions_that_are_all_refused_take_turns(
    stores: ImageStores,
    buckets: Buckets,
    remover: ImageRemover,
    list_deletions: Callable[[int], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    guids = list_deletions(12)
    buckets.faults.choose = lambda request: forbid if is_removal(request) else None
    before = len(buckets.faults.requests)
    remover.finish_deletions()
    tried = [each for each in buckets.faults.requests[before:] if is_removal(each)]
    assert 0 < len(tried) < len(guids)
    for _ in guids:
        remover.finish_deletions()
    assert all(f"the row of image {guid} is deleted" in caplog.text for guid in guids)
    buckets.faults.choose = lambda _: None
    for _ in range(2):
        remover.finish_deletions()
    assert stores.deletions.list_deletions(99) == []


def test_leases_are_judged_while_the_journal_can_not_be_listed(
    stores: ImageStores, claims: Claims, recovery: Recovery, ann: User, buckets: Buckets
) -> None:
    dead = take(claims, ann)
    claims.mark_asked(dead.guid)
    claims.end(dead.guid)
    expire(stores.database)
    buckets.faults.choose = lambda request: forbid if is_listing(request) else None
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            recovery.run_once()
    assert status_of(stores, dead) == CreationStatus.UNKNOWN


def test_an_adoption_ends_when_the_store_goes_away_and_is_repeated_when_it_is_back(
    stores: ImageStores, claims: Claims, recovery: Recovery, ann: User, buckets: Buckets
) -> None:
    entries = [leave(stores, claims, ann, buckets) for _ in range(4)]
    outage = Outage(lambda request: forbid if is_image(request) else None)
    buckets.faults.choose = outage
    with pytest.raises(StorageUnavailableError):
        recovery.run_once()
    assert len(outage.requests) == 1
    buckets.faults.choose = lambda _: None
    recovery.run_once()
    assert {find_status(stores, entry) for entry in entries} == {None}
    assert len(list(stores.images.list_records())) == len(entries)


def test_entries_that_are_all_refused_hold_up_no_other(
    stores: ImageStores, claims: Claims, recovery: Recovery, ann: User, buckets: Buckets
) -> None:
    entries = [leave(stores, claims, ann, buckets) for _ in range(8)]
    *broken, good = sorted(entry.image.guid for entry in entries)
    buckets.faults.choose = lambda request: (
        forbid if is_image(request) and any(guid in request.path for guid in broken) else None
    )
    before = len(buckets.faults.requests)
    recovery.run_once()
    paths = [each.path for each in buckets.faults.requests[before:] if is_image(each)]
    assert 0 < len({guid for guid in broken if any(guid in path for path in paths)}) < len(broken)
    for _ in broken:
        recovery.run_once()
    assert [record.guid for record in stores.images.list_records()] == [good]


def test_a_bucket_that_can_not_be_written_to_is_not_listed_again_at_once(
    stores: ImageStores, recovery: Recovery, buckets: Buckets
) -> None:
    buckets.faults.choose = lambda request: (
        forbid if request.method == "PUT" and request.path.endswith("/.clock") else None
    )
    with pytest.raises(StorageUnavailableError):
        recovery.run_once()
    before = len(buckets.faults.requests)
    recovery.run_once()
    assert [each for each in buckets.faults.requests[before:] if is_listing(each)] == []


def test_a_deletion_that_is_to_stop_ends_at_the_next_image(
    stores: ImageStores,
    buckets: Buckets,
    remover: ImageRemover,
    list_deletions: Callable[[int], list[str]],
) -> None:
    guids = list_deletions(3)
    stopping = threading.Event()
    buckets.faults.choose = lambda _: call(before=stopping.set)
    remover.finish_deletions(stopping.is_set)
    assert [deletion.guid for deletion in stores.deletions.list_deletions(9)] == guids[1:]
