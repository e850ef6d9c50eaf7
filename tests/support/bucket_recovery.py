"""Shared by the tests of recovery on object storage: entries and bytes that a process left."""

from collections.abc import Callable
from typing import NamedTuple

from image_samples import make_detail
from pixy_core import Creation, CreationStatus, ImageNotStoredError, User
from pixy_data import JournalEntry
from pixy_data.content.objects.bucket import Bucket
from pixy_data.content.objects.layout import entry_key, image_key
from pixy_service.creation.claims import Claims
from pixy_service.stores import ImageStores
from provider_answers import PNG
from recovery_pieces import ASKED, expire, take
from s3_faults import Choose, Exchange, Fault, S3Faults, S3Request


class Buckets(NamedTuple):
    """One bucket twice: through a proxy, and directly."""

    proxied: Bucket
    direct: Bucket
    faults: S3Faults


def at(method: str, folder: str, fault: Fault) -> Choose:
    """Choose a fault for every such request."""

    def choose(request: S3Request) -> Fault | None:
        is_meant = request.method == method and f"/{folder}/" in request.path
        return fault if is_meant else None

    return choose


def once(choose: Choose) -> Choose:
    """Choose a fault the first time only."""
    chosen: list[Fault] = []

    def choose_once(request: S3Request) -> Fault | None:
        fault = None if chosen else choose(request)
        if fault is not None:
            chosen.append(fault)
        return fault

    return choose_once


def before(action: Callable[[], object], fault: Fault) -> Fault:
    """Return a fault that calls a function first."""

    def act(exchange: Exchange) -> None:
        action()
        fault(exchange)

    return act


def pass_on(exchange: Exchange) -> None:
    """Let the server do the work, and send its answer."""
    exchange.send(exchange.forward())


def list_keys(bucket: Bucket) -> list[str]:
    """Return the keys of images, entries and reservations."""
    folders = ("images", "journal", "reserved")
    return [each.key for folder in folders for page in bucket.list(folder) for each in page]


def describe(stores: ImageStores, creation: Creation) -> JournalEntry:
    """Return the entry of a creation's image, which is not written."""
    detail = make_detail(prompt=ASKED.prompt, guid=creation.guid)
    stored = stores.content.describe(creation.guid, "image/png", PNG)
    image = detail.model_copy(update={**stored._asdict(), "owner": creation.owner})
    return JournalEntry(
        image=image, owner=creation.owner, class_key="red", created_at=creation.created_at
    )


def prepare(stores: ImageStores, claims: Claims, owner: User) -> JournalEntry:
    """Return the entry of an image whose process died; its claim's lease has ended."""
    creation = take(claims, owner)
    claims.mark_asked(creation.guid)
    claims.end(creation.guid)
    expire(stores.database)
    return describe(stores, creation)


def fail(stores: ImageStores, claims: Claims, owner: User) -> JournalEntry:
    """Return the entry of an image that was reported as not stored."""
    creation = take(claims, owner, None)
    claims.mark_asked(creation.guid)
    claims.fail(creation.guid, ImageNotStoredError())
    return describe(stores, creation)


def write(bucket: Bucket, entry: JournalEntry) -> None:
    """Write an entry."""
    bucket.put(entry_key(entry.image.guid), entry.model_dump_json().encode())


def write_bytes(bucket: Bucket, entry: JournalEntry) -> None:
    """Write the bytes of an entry's image."""
    bucket.put(image_key(entry.image.filename), PNG)


def find_status(stores: ImageStores, entry: JournalEntry) -> CreationStatus | None:
    """Return the status of an entry's creation; None if there is none."""
    found = stores.creations.find_creation(entry.image.guid, entry.owner)
    return None if found is None else found.status
