"""What the tests share: a provider on a real socket, services over a real database, users."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import argon2.low_level
import pytest

from new_databases import create_tables
from one_authority import write_authority
from pixy_core import Image, ImageDetailCreate, User, Visibility
from pixy_data import (
    Database,
    FileStore,
    open_database,
)
from pixy_service import (
    ImageGenerator,
    OpenAIGenerator,
    PrivateImageService,
    Services,
    open_services,
)
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider import Provider
from s3_buckets import start_s3, use_bucket

__all__ = ["start_s3", "use_bucket"]


class People(NamedTuple):
    """Ann, Ben of her class, and Cleo of another."""

    ann: User
    ben: User
    cleo: User


@pytest.fixture(scope="session", autouse=True)
def _trust_one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let generators load one certificate authority: the provider of the tests has no TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", write_authority(tmp_path_factory.mktemp("authority")))
        yield


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def generator(provider: Provider) -> ImageGenerator:
    return OpenAIGenerator(
        "sk-secret-of-the-server",
        base_url=provider.base_url,
        model="gpt-image-2.6-flare",
        timeout=30,
    )


@pytest.fixture
def services(tmp_path: Path, database_url: str, generator: ImageGenerator) -> Iterator[Services]:
    create_tables(database_url)
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=generator, generation_concurrency=2
    ) as services:
        yield services


@pytest.fixture
def people(services: Services) -> People:
    # inserted without a password: hashing three takes longer than most tests
    add = services.users.user_repo.insert_user
    return People(
        add(User(username="ann", password="-", class_key="red")),
        add(User(username="ben", password="-", class_key="red")),
        add(User(username="cleo", password="-", class_key="blue")),
    )


@pytest.fixture
def anns(services: Services, people: People) -> PrivateImageService:
    return services.private_images(people.ann)


@pytest.fixture
def make_image(anns: PrivateImageService) -> Callable[..., Image]:
    """Return a function that makes an image of Ann's."""

    def make(visibility: str = "private", prompt: str = "a lighthouse") -> Image:
        return anns.create_image(
            ImageDetailCreate(prompt=prompt, visibility=Visibility(visibility))
        )

    return make


@pytest.fixture
def list_files(tmp_path: Path) -> Callable[[], list[Path]]:
    """Return a function that lists every file among the images, temporary ones too."""
    return lambda: [path for path in (tmp_path / "images").glob("*/*") if path.is_file()]


@pytest.fixture
def database(people: tuple[User, ...], database_url: str) -> Iterator[Database]:
    assert people
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture
def stores(database: Database, tmp_path: Path) -> ImageStores:
    """Return the stores that `services` has, over connections of their own."""
    return ImageStores.over(database, FileStore(tmp_path / "images"))


@pytest.fixture
def claims(stores: ImageStores) -> Claims:
    return Claims(stores)


@pytest.fixture
def recovery(stores: ImageStores, claims: Claims) -> Recovery:
    """Return a recovery that shares its claims with `open_creator`; nothing runs by itself.

    It judges a lease that it has seen twice, however soon.
    """
    return Recovery(stores, claims, ImageAdopter(stores), patience=0)


@pytest.fixture
def open_creator(
    stores: ImageStores, claims: Claims, generator: ImageGenerator
) -> Callable[..., ImageCreator]:
    """Return a function that puts a creator together, with other parts where they are named."""

    def build(generator: ImageGenerator = generator, **parts: Any) -> ImageCreator:
        changed = replace(stores, **parts)
        return ImageCreator(changed, claims, ImageAdopter(changed), generator, timeout=1)

    return build


@pytest.fixture
def counting_hashes() -> Callable[[], AbstractContextManager[list[str]]]:
    """Return a context whose list grows by one with each call of argon2 in this thread."""
    hashing = {argon2.low_level.verify_secret.__code__, argon2.low_level.hash_secret.__code__}

    @contextmanager
    def count() -> Iterator[list[str]]:
        calls: list[str] = []

        def note(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code in hashing:
                calls.append(frame.f_code.co_name)

        sys.setprofile(note)
        try:
            yield calls
        finally:
            sys.setprofile(None)

    return count
