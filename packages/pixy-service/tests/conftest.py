"""What the tests share: a provider on a real socket, services over a real database, users."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pixy_core import Image, ImageDetailCreate, User, Visibility
from pixy_service import (
    ImageGenerator,
    PrivateImageService,
    Services,
    build_generator,
    open_services,
)
from provider import Provider


class People(NamedTuple):
    """Ann, Ben of her class, and Cleo of another."""

    ann: User
    ben: User
    cleo: User


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def generator(provider: Provider) -> ImageGenerator:
    return build_generator(
        "openai",
        api_key="sk-secret-of-the-server",
        base_url=provider.base_url,
        model="gpt-image-2.6-flare",
        timeout=30,
    )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/pixy.sqlite3"


@pytest.fixture
def services(tmp_path: Path, database_url: str, generator: ImageGenerator) -> Iterator[Services]:
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
    """Return a function that lists every file of the image folder, temporary ones too."""
    return lambda: [path for path in (tmp_path / "images").rglob("*") if path.is_file()]
