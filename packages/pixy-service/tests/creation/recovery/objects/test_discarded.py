"""Records of failed creations that are deleted while their bytes are there, or on their way."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from bucket_recovery import (
    Buckets,
    at,
    before,
    fail,
    list_keys,
    once,
    pass_on,
    write,
    write_bytes,
)
from pixy_core import (
    CreationStatus,
    ImageDeletedError,
    ImageDetailCreate,
    ImageNotStoredError,
    ImagePendingError,
    User,
    Visibility,
)
from pixy_service.checking import FindingKind, StoreChecker
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.images.deletion import ImageRemover
from pixy_service.stores import ImageStores
from recovery_pieces import ASKED, expire, run_twice
from s3_faults import Exchange, Fault, forbid, slow_down


class Scene(NamedTuple):
    """A process that makes Ann's images behind the proxy, and what else there is."""

    stores: ImageStores
    creator: ImageCreator
    remover: ImageRemover
    ann: User
    buckets: Buckets

    def delete(self, guid: str) -> None:
        self.remover.delete(guid, self.ann)

    def rows(self) -> list[str]:
        return [record.guid for record in self.stores.images.list_records()]

    def keys(self) -> list[str]:
        return list_keys(self.buckets.direct)


@pytest.fixture
def scene(
    stores: ImageStores,
    open_creator: Callable[..., ImageCreator],
    remover: ImageRemover,
    ann: User,
    buckets: Buckets,
) -> Scene:
    return Scene(stores, open_creator(), remover, ann, buckets)


def test_a_failed_creation_whose_image_is_stored_is_deleted_only_once_it_is_seen(
    scene: Scene, others: Recovery
) -> None:
    scene.buckets.faults.choose = at("GET", "images", forbid)
    asked = ImageDetailCreate(prompt="a lighthouse", visibility=Visibility.PUBLIC)
    with pytest.raises(ImageNotStoredError):
        scene.creator.create(asked, scene.ann)
    scene.buckets.faults.choose = lambda _: None
    (failed,) = scene.stores.creations.list_creations("ann", CreationStatus.FAILED, 9)
    with pytest.raises(ImagePendingError):
        scene.delete(failed.guid)
    others.adopt_journal()
    assert scene.rows() == [failed.guid]
    scene.delete(failed.guid)
    others.adopt_journal()
    assert (scene.rows(), scene.keys()) == ([], [])


def test_bytes_that_arrive_after_their_creation_was_deleted_make_no_image(
    scene: Scene, claims: Claims, others: Recovery
) -> None:
    entry = fail(scene.stores, claims, scene.ann)
    write(scene.buckets.direct, entry)
    scene.delete(entry.image.guid)
    assert scene.keys() == []
    write_bytes(scene.buckets.direct, entry)
    others.adopt_journal()
    assert scene.rows() == []
    findings = StoreChecker(scene.stores, others, min_age=0).check()
    untracked = [each.guid for each in findings if each.kind == FindingKind.UNTRACKED]
    assert untracked == [entry.image.guid]


@pytest.mark.parametrize("fault", [forbid, pass_on], ids=["bytes refused", "bytes arrive"])
def test_an_image_whose_unknown_creation_is_deleted_while_it_is_stored_is_deleted_too(
    fault: Fault, scene: Scene, others: Recovery
) -> None:
    def discard() -> None:
        expire(scene.stores.database)
        run_twice(others)
        (unknown,) = scene.stores.creations.list_creations("ann", CreationStatus.UNKNOWN, 9)
        scene.delete(unknown.guid)

    scene.buckets.faults.choose = once(at("PUT", "images", before(discard, fault)))
    with pytest.raises(ImageDeletedError):
        scene.creator.create(ASKED, scene.ann)
    scene.remover.finish_deletions()
    assert (scene.rows(), scene.keys()) == ([], [])


def test_bytes_that_are_written_again_after_their_image_was_deleted_are_removed(
    scene: Scene, others: Recovery
) -> None:
    def lose_answer(exchange: Exchange) -> None:
        exchange.forward()
        others.adopt_journal()
        (guid,) = scene.rows()
        scene.delete(guid)
        # the client writes again
        slow_down(exchange)

    scene.buckets.faults.choose = once(at("PUT", "images", lose_answer))
    with pytest.raises(ImageDeletedError):
        scene.creator.create(ASKED, scene.ann)
    assert len(scene.keys()) == 1
    scene.remover.finish_deletions()
    assert scene.keys() == []
    assert scene.stores.deletions.list_deletions(9) == []
