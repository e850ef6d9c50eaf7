"""Recovery on object storage: entries without bytes, late bytes, and processes that meet."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from bucket_recovery import (
    Buckets,
    at,
    find_status,
    list_keys,
    prepare,
    write,
    write_bytes,
)
from pixy_core import (
    CreationStatus,
    Image,
    ImageDeletedError,
    ImageNotStoredError,
    StorageUnavailableError,
    User,
)
from pixy_data.content.objects.layout import entry_key, image_key
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.creation.uploads import ImageUploader, Uploaded
from pixy_service.images.deletion import ImageRemover
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.stores import ImageStores
from pixy_service.validation import DEFAULT_LIMITS
from provider_answers import PNG
from recovery_pieces import ASKED, expire, run_twice, status_of, take
from s3_faults import Exchange, call, forbid


def test_an_entry_without_bytes_is_unknown_until_they_arrive(
    stores: ImageStores, claims: Claims, others: Recovery, ann: User, buckets: Buckets
) -> None:
    entry = prepare(stores, claims, ann)
    write(buckets.direct, entry)
    run_twice(others)
    assert find_status(stores, entry) == CreationStatus.UNKNOWN
    assert list_keys(buckets.direct) == [entry_key(entry.image.guid)]
    write_bytes(buckets.direct, entry)
    others.adopt_journal()
    assert find_status(stores, entry) == CreationStatus.READY
    assert stores.images.find_image(entry.image.guid) is not None
    assert list_keys(buckets.direct) == [image_key(entry.image.filename)]


def test_an_image_of_a_dead_process_is_found_by_its_claim_without_a_listing(
    stores: ImageStores, claims: Claims, others: Recovery, ann: User, buckets: Buckets
) -> None:
    others.run_once()
    entry = prepare(stores, claims, ann)
    write(buckets.direct, entry)
    write_bytes(buckets.direct, entry)
    run_twice(others)
    assert find_status(stores, entry) == CreationStatus.READY
    assert list_keys(buckets.direct) == [image_key(entry.image.filename)]


def test_bytes_that_arrive_between_two_looks_are_no_damage(
    stores: ImageStores,
    claims: Claims,
    recovery: Recovery,
    ann: User,
    buckets: Buckets,
) -> None:
    entry = prepare(stores, claims, ann)
    write(buckets.direct, entry)
    buckets.faults.choose = at(
        "HEAD", "images", call(before=lambda: write_bytes(buckets.direct, entry))
    )
    recovery.adopt_journal()
    assert find_status(stores, entry) == CreationStatus.READY
    assert stores.images.find_image(entry.image.guid) is not None


def test_recoveries_leave_an_image_alone_that_is_being_stored(
    stores: ImageStores,
    open_creator: Callable[..., ImageCreator],
    others: Recovery,
    ann: User,
    buckets: Buckets,
) -> None:
    storing, stored = threading.Event(), threading.Event()

    def take_long(exchange: Exchange) -> None:
        storing.set()
        stored.wait(4)
        exchange.send(exchange.forward())

    buckets.faults.choose = at("PUT", "images", take_long)
    with ThreadPoolExecutor(3) as threads:
        making = threads.submit(open_creator().create, ASKED, ann, "key")
        assert storing.wait(10)
        for recovery in [others, others]:
            threads.submit(recovery.adopt_journal).result()
            threads.submit(recovery.run_once).result()
        earlier = stores.creations.find_keyed_creation("ann", "key")
        assert earlier is not None
        assert earlier[0].status == CreationStatus.PENDING
        assert list(stores.images.list_records()) == []
        assert len(list_keys(buckets.direct)) == 2
        stored.set()
        image = making.result().image
    assert isinstance(image, Image)
    assert list_keys(buckets.direct) == [image_key(image.filename)]


def test_an_image_is_visible_once_when_everybody_adopts_it(
    stores: ImageStores,
    claims: Claims,
    others: Recovery,
    ann: User,
    buckets: Buckets,
) -> None:
    entry = prepare(stores, claims, ann)
    write(buckets.direct, entry)
    write_bytes(buckets.direct, entry)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(each.adopt_journal) for each in [others] * 4]
        for running in calls:
            running.result()
    assert [record.guid for record in stores.images.list_records()] == [entry.image.guid]
    assert list_keys(buckets.direct) == [image_key(entry.image.filename)]


def test_an_image_that_was_given_up_is_shown_when_its_bytes_had_arrived(
    stores: ImageStores,
    open_creator: Callable[..., ImageCreator],
    others: Recovery,
    ann: User,
    buckets: Buckets,
) -> None:
    buckets.faults.choose = at("GET", "images", forbid)
    with pytest.raises(ImageNotStoredError):
        open_creator().create(ASKED, ann, "key")
    buckets.faults.choose = lambda _: None
    others.adopt_journal()
    again = open_creator().create(ASKED, ann, "key")
    assert again.is_replay
    assert isinstance(again.image, Image)
    assert list_keys(buckets.direct) == [image_key(again.image.filename)]


def test_an_image_that_is_deleted_does_not_come_back_from_an_old_entry(
    stores: ImageStores, claims: Claims, others: Recovery, ann: User, buckets: Buckets
) -> None:
    entry = prepare(stores, claims, ann)
    write(buckets.direct, entry)
    write_bytes(buckets.direct, entry)
    others.adopt_journal()
    ImageRemover(stores, Thumbnails(stores.content)).delete(entry.image.guid, ann)
    with pytest.raises(ImageDeletedError):
        ImageAdopter(stores).adopt(entry)
    assert list(stores.images.list_records()) == []
    assert list_keys(buckets.direct) == []


def test_bytes_that_can_not_be_removed_now_are_removed_later(
    stores: ImageStores,
    open_creator: Callable[..., ImageCreator],
    ann: User,
    buckets: Buckets,
) -> None:
    image = open_creator().create(ASKED, ann).image
    remover = ImageRemover(stores, Thumbnails(stores.content))
    # the first one removes the entry, if there is one
    deletions = count()
    buckets.faults.choose = lambda request: (
        forbid if request.method == "POST" and next(deletions) else None
    )
    remover.delete(image.guid, ann)
    assert list(stores.images.list_records()) == []
    assert list_keys(buckets.direct) != []
    buckets.faults.choose = lambda _: None
    remover.finish_deletions()
    assert list_keys(buckets.direct) == []
    assert stores.deletions.list_deletions(10) == []


def test_a_deletion_holds_no_transaction_while_the_store_works(
    stores: ImageStores, open_creator: Callable[..., ImageCreator], ann: User, buckets: Buckets
) -> None:
    image = open_creator().create(ASKED, ann).image
    writes: list[bool] = []

    def write() -> None:
        taken = take(Claims(stores), ann, f"key {len(writes)}")
        writes.append(stores.creations.is_pending(taken.guid))

    buckets.faults.choose = lambda request: call(before=write) if request.method == "POST" else None
    ImageRemover(stores, Thumbnails(stores.content)).delete(image.guid, ann)
    # one for the entry, one for the object
    assert writes[:2] == [True, True]
    assert list_keys(buckets.direct) == []


def test_an_adoption_holds_no_transaction_for_long_while_the_store_hangs(
    stores: ImageStores, claims: Claims, others: Recovery, ann: User, buckets: Buckets
) -> None:
    entry = prepare(stores, claims, ann)
    write(buckets.direct, entry)
    write_bytes(buckets.direct, entry)
    creation = stores.creations.find_creation(entry.image.guid, "ann")
    assert creation is not None
    asked, released = threading.Event(), threading.Event()

    def hang(exchange: Exchange) -> None:
        asked.set()
        released.wait()
        exchange.cut()

    buckets.faults.choose = at("GET", "journal", hang)
    with ThreadPoolExecutor(1) as threads:
        adopting = threads.submit(ImageAdopter(stores).show, creation, entry)
        try:
            assert asked.wait(10)
            # it waits for a lock of two seconds, and tries again some times
            other = take(claims, ann, "another key")
            assert stores.creations.is_pending(other.guid)
            assert adopting.result() is creation
        finally:
            released.set()
    others.adopt_journal()
    assert find_status(stores, entry) == CreationStatus.READY


def test_one_image_that_can_not_be_read_does_not_stop_the_others(
    stores: ImageStores,
    claims: Claims,
    recovery: Recovery,
    ann: User,
    buckets: Buckets,
) -> None:
    broken = prepare(stores, claims, ann)
    write(buckets.direct, broken)
    write_bytes(buckets.direct, broken)
    other = take(claims, ann, "another key")
    claims.mark_asked(other.guid)
    claims.end(other.guid)
    expire(stores.database)
    buckets.faults.choose = lambda request: (
        forbid if broken.image.guid in request.path and "images" in request.path else None
    )
    run_twice(recovery)
    assert find_status(stores, broken) == CreationStatus.PENDING
    assert status_of(stores, other) == CreationStatus.UNKNOWN
    buckets.faults.choose = lambda _: None
    run_twice(recovery)
    assert find_status(stores, broken) == CreationStatus.READY


def upload(stores: ImageStores, owner: User) -> Uploaded:
    uploader = ImageUploader(stores, Claims(stores), ImageAdopter(stores), DEFAULT_LIMITS)
    with uploader.spool(None) as file:
        file.write(PNG)
        return uploader.keep(file, uploader.describe("a fox", None), owner)


@pytest.mark.parametrize("is_repeated", [True, False])
def test_an_upload_that_failed_and_had_arrived_is_one_image(
    is_repeated: bool,
    stores: ImageStores,
    others: Recovery,
    ann: User,
    buckets: Buckets,
) -> None:
    buckets.faults.choose = at("GET", "images", forbid)
    with pytest.raises(StorageUnavailableError):
        upload(stores, ann)
    buckets.faults.choose = lambda _: None
    if is_repeated:
        assert upload(stores, ann).is_new
    others.adopt_journal()
    ImageRemover(stores, Thumbnails(stores.content)).finish_deletions()
    (record,) = stores.images.list_records()
    assert list_keys(buckets.direct) == [image_key(record.filename)]
    assert not upload(stores, ann).is_new
