"""An installation, its backup, and the restored installation."""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pixy_core import Image, ImageDetail, ImageSource
from pixy_data import Journal, JournalEntry
from pixy_service import (
    Finding,
    ImageGenerator,
    StoreBackup,
    open_backup,
    open_checker,
    open_restore,
    open_services,
)
from stored_images import write_journal


@dataclass(frozen=True)
class Places:
    """An installation, its backup, and the place to restore it to.

    Attributes:
        url: The installation's database.
        data: Its data folder.
        folder: The backup.
        new: The data folder of the restored installation.
        generator: The image generator of a restored server.
    """

    url: str
    data: Path
    folder: Path
    new: Path
    generator: ImageGenerator

    def open_backup(self) -> AbstractContextManager[StoreBackup]:
        return open_backup(self.url, self.data, self.folder)

    def back_up(self) -> list[Finding]:
        with self.open_backup() as store:
            return list(store.run())

    def restore(self) -> list[Finding]:
        """Restore, and check the result like `pixy check`."""
        url = f"sqlite:///{self.new}/pixy.sqlite3"
        with open_restore(url, self.new, self.folder) as store:
            findings = list(store.run())
        if not findings:
            with open_checker(url, self.new, min_age=3600) as checker:
                assert list(checker.check()) == []
        return findings

    def list_restored(self) -> set[str]:
        """Start a server on the restored data, and return the guids of Ann's images."""
        url = f"sqlite:///{self.new}/pixy.sqlite3"
        with open_services(
            database_url=url, data_dir=self.new, generator=self.generator
        ) as services:
            services._recovery.run_once()
            ann = services.users.user_repo.authenticate_user("ann")
            assert ann is not None
            return {image.guid for image in services.private_images(ann).list_images(50).images}

    def place_of(self, image: Image) -> Path:
        return self.data / "images" / image.filename[:2] / image.filename

    def copy_of(self, image: Image) -> Path:
        return self.folder / "images" / image.filename[:2] / image.filename

    def restored_of(self, image: Image) -> Path:
        return self.new / "images" / image.filename[:2] / image.filename


def read_images(data_dir: Path) -> dict[str, str]:
    """Return the hash of each file, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (data_dir / "images").glob("[0-9a-f][0-9a-f]/*")
    }


def write_entry(data: Path, image: Image, sources: Sequence[ImageSource] = ()) -> None:
    detail = ImageDetail(**image.model_dump(include=set(ImageDetail.model_fields)))
    write_journal(
        Journal(data / "journal"),
        JournalEntry(
            image=detail,
            owner="ann",
            class_key="red",
            created_at=image.created_at,
            sources=tuple(sources),
        ),
    )
