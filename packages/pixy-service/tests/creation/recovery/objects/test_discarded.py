"""Bytes that are written after their image was deleted."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from bucket_recovery import (
    Buckets,
    at,
    list_keys,
    once,
)
from pixy_core import (
    ImageDeletedError,
    User,
)
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.images.deletion import ImageRemover
from pixy_service.stores import ImageStores
from recovery_pieces import ASKED
from s3_faults import Exchange, slow_down


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
