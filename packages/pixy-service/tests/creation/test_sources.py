"""Making an image from others: who may, what the generator gets, and what is kept of it."""

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from odd_image import draw, save
from order_keeper import OrderKeeper
from pixy_core import (
    ContentDamagedError,
    DetailedImage,
    GeneratorOverloadedError,
    Image,
    ImageRequest,
    InvalidInputError,
    RecordNotFoundError,
    SourceRole,
    User,
    Visibility,
)
from pixy_service import PrivateImageService, Services

SIZE = (64, 48)
MASK = save(draw([(0, 0, 0, 0)] * 4, "RGBA", SIZE), "PNG")
SOURCES = [save(draw([(number,) * 3] * 4, "RGB", SIZE), "PNG") for number in (10, 200)]


@pytest.fixture
def generator() -> OrderKeeper:
    return OrderKeeper()


@pytest.fixture
def bens(services: Services, people: tuple[User, ...]) -> PrivateImageService:
    return services.private_images(people[1])


@pytest.fixture
def sources(anns: PrivateImageService) -> list[Image]:
    return [anns.upload_image(BytesIO(content)) for content in SOURCES]


@pytest.fixture
def mask(anns: PrivateImageService) -> Image:
    return anns.upload_image(BytesIO(MASK))


def ask(*sources: Image, mask: Image | None = None) -> ImageRequest:
    return ImageRequest(
        prompt="the same by night",
        sources=tuple(source.guid for source in sources),
        mask=None if mask is None else mask.guid,
    )


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_generator_reads_the_sources_in_order_and_the_mask(
    anns: PrivateImageService, generator: OrderKeeper, sources: list[Image], mask: Image
) -> None:
    first, second = sources
    anns.create_image(ask(second, first, second, mask=mask))
    assert generator.read == [([SOURCES[1], SOURCES[0], SOURCES[1]], MASK)]
    (order,) = generator.orders
    assert {source[1:] for source in (*order.sources, order.mask or ())} == {("image/png", 64, 48)}


def test_the_generator_may_give_a_file_to_another_process(
    anns: PrivateImageService, generator: OrderKeeper, sources: list[Image]
) -> None:
    read: list[bytes] = []

    def read_elsewhere() -> None:
        path = str(generator.orders[0].sources[0].path)
        read.append(subprocess.run(["cat", path], capture_output=True, check=True).stdout)

    generator.before = read_elsewhere
    anns.create_image(ask(sources[0]))
    assert read == [SOURCES[0]]


def test_a_source_can_be_read_although_it_is_deleted_meanwhile(
    anns: PrivateImageService, generator: OrderKeeper, sources: list[Image], tmp_path: Path
) -> None:
    (source, _) = sources
    generator.before = lambda: anns.delete_image(source.guid)
    made = anns.create_image(ask(source))
    assert generator.read == [([SOURCES[0]], None)]
    assert not list(tmp_path.rglob(source.filename))
    details = anns.add_details(made)
    assert isinstance(details, DetailedImage)
    assert details.sources is not None
    assert [(s.guid, s.sha256) for s in details.sources] == [(source.guid, source.sha256)]


def test_descriptors_are_closed_when_the_image_is_made_or_failed(
    anns: PrivateImageService, generator: OrderKeeper, sources: list[Image], mask: Image
) -> None:
    anns.create_image(ask(*sources, mask=mask))
    before = count_descriptors()
    anns.create_image(ask(*sources, mask=mask))
    generator.failure = GeneratorOverloadedError()
    with pytest.raises(GeneratorOverloadedError):
        anns.create_image(ask(*sources, mask=mask))
    assert count_descriptors() == before


@pytest.mark.parametrize("as_mask", [False, True])
def test_a_source_that_the_caller_may_not_see_does_not_exist(
    anns: PrivateImageService,
    bens: PrivateImageService,
    generator: OrderKeeper,
    sources: list[Image],
    as_mask: bool,
) -> None:
    database = anns._tools.stores.database
    hidden, seen = sources
    anns.change_visibility(seen.guid, Visibility.CLASS)
    request = ask(seen, mask=hidden) if as_mask else ask(seen, hidden)
    with pytest.raises(RecordNotFoundError):
        bens.create_image(request)
    with pytest.raises(RecordNotFoundError):
        anns.create_image(request.model_copy(update={"sources": ("0" * 8 + hidden.guid[8:],)}))
    assert generator.orders == []
    assert database.fetch_all("SELECT guid FROM creations WHERE status = 'pending'", {}) == []
    bens.create_image(ask(seen))


def test_a_mask_must_be_a_png_with_alpha_as_large_as_the_first_source(
    anns: PrivateImageService, generator: OrderKeeper, sources: list[Image], mask: Image
) -> None:
    small = anns.upload_image(BytesIO(save(draw([(0, 0, 0, 0)] * 4, "RGBA", (48, 64)), "PNG")))
    clear = draw([(0, 0, 0, 0)] * 4, "RGBA", SIZE)
    webp = anns.upload_image(BytesIO(save(clear, "WEBP", lossless=True)))
    for request in (
        ask(sources[0], mask=small),
        ask(sources[0], mask=webp),
        ask(sources[0], mask=sources[1]),
        ask(small, sources[0], mask=mask),
    ):
        with pytest.raises(InvalidInputError) as caught:
            anns.create_image(request)
        reason = "must be a PNG with an alpha channel, as large as the first source"
        assert caught.value.errors == ((("mask",), reason),)
    assert generator.orders == []
    anns.create_image(ask(sources[0], small, mask=mask))


def test_a_damaged_source_is_noticed_before_the_provider_is_asked(
    anns: PrivateImageService,
    generator: OrderKeeper,
    sources: list[Image],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (path,) = tmp_path.rglob(sources[0].filename)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ContentDamagedError):
        anns.create_image(ask(*sources))
    assert generator.orders == []
    assert sources[0].guid in caplog.text


def test_a_key_belongs_to_its_sources(
    anns: PrivateImageService, generator: OrderKeeper, sources: list[Image]
) -> None:
    first = anns.submit_image(ask(*sources), "key").created.result()
    again = anns.submit_image(ask(*sources), "key").created.result()
    assert (again.image, again.is_replay) == (first.image, True)
    replay = anns.find_replay(ask(*sources), "key")
    assert replay is not None
    with pytest.raises(Exception, match="belongs to a request that asked for something else"):
        anns.find_replay(ask(*reversed(sources)), "key")
    assert len(generator.orders) == 1


def test_each_caller_is_told_the_sources_that_the_caller_may_see(
    services: Services,
    anns: PrivateImageService,
    bens: PrivateImageService,
    sources: list[Image],
    mask: Image,
) -> None:
    hidden, seen = sources
    anns.change_visibility(seen.guid, Visibility.PUBLIC)
    made = anns.create_image(
        ask(hidden, seen, mask=mask).model_copy(update={"visibility": "public"})
    )

    def tell(reader: object) -> list[tuple[str, SourceRole]]:
        details = reader.add_details(reader.get_image_by_guid(made.guid))  # type: ignore[attr-defined]
        return [(source.guid, source.role) for source in details.sources or []]

    known = (seen.guid, SourceRole.IMAGE)
    assert tell(anns) == [(hidden.guid, "image"), known, (mask.guid, "mask")]
    assert tell(bens) == tell(services.public_images) == [known]
    anns.delete_image(seen.guid)
    assert tell(bens) == tell(services.public_images) == []
    assert bens.add_details(bens.get_image_by_guid(made.guid)).sources is None
    assert tell(anns) == [(hidden.guid, "image"), known, (mask.guid, "mask")]


def test_what_was_made_from_an_image_is_listed_in_pages(
    services: Services,
    anns: PrivateImageService,
    bens: PrivateImageService,
    sources: list[Image],
    make_image: Callable[..., Image],
) -> None:
    source, other = sources
    make_image()
    made = [anns.create_image(ask(source)) for _ in range(3)]
    anns.create_image(ask(other))
    page = anns.list_derived(source.guid, 2)
    assert page.next_cursor is not None
    rest = anns.list_derived(source.guid, 2, page.next_cursor)
    found = [image.guid for image in (*page.images, *rest.images)]
    assert found == [image.guid for image in reversed(made)]
    assert rest.next_cursor is None
    for list_other in (anns.list_images, lambda *a: anns.list_derived(other.guid, *a)):
        with pytest.raises(InvalidInputError):
            list_other(2, page.next_cursor)
    for reader in (services.public_images, bens):
        with pytest.raises(RecordNotFoundError):
            reader.list_derived(source.guid, 2)
    anns.change_visibility(source.guid, Visibility.PUBLIC)
    assert services.public_images.list_derived(source.guid, 2).images == []
    anns.change_visibility(made[1].guid, Visibility.PUBLIC)
    (public,) = services.public_images.list_derived(source.guid, 2).images
    assert (public.guid, public.owner) == (made[1].guid, None)
