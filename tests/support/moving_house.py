"""An installation from outside: what is exported from it and imported to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixy_core import User
from pixy_data import Database, UserRepository, open_database
from pixy_service import (
    ArchiveImport,
    Finding,
    Selection,
    StoreExport,
    open_checker,
    open_export,
    open_import,
)

Import = tuple[ArchiveImport, list[Finding]]


@dataclass
class House:
    """One installation.

    Attributes:
        url: Its database.
        data: Its data folder.
        content: Its bucket, if it has one.
    """

    url: str
    data: Path
    content: str | None = None

    def export(self, target: Path, **selection: Any) -> tuple[StoreExport, list[Finding]]:
        chosen = Selection(**selection)
        with open_export(self.url, self.data, self.content, target, chosen) as export:
            return export, list(export.run())

    def take(self, source: Path, **names: str) -> Import:
        with open_import(self.url, self.data, self.content, source, names=names) as archive:
            return archive, list(archive.run())

    def check(self) -> list[Finding]:
        with open_checker(self.url, self.data, self.content, min_age=0, deep=True) as checker:
            return list(checker.check())

    def open(self) -> Database:
        return open_database(self.url)

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row that an archive has, without numbers that mean nothing."""
        tables = {
            "users": ("username", {"password"}),
            "images": ("guid", {"id"}),
            "image_sources": ("image, position", set()),
            "image_words": ("scope, word, moment, guid", {"image_id"}),
        }
        database = self.open()
        try:
            return {
                table: _read_table(database, table, order, hidden)
                for table, (order, hidden) in tables.items()
            }
        finally:
            database.close()

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.data / "images").glob("??/*.*")}

    def change(self, sql: str, **parameters: object) -> None:
        """Run a statement, as an operator might."""
        database = self.open()
        try:
            database.execute(sql, parameters)
        finally:
            database.close()

    def add_user(self, name: str, class_key: str) -> User:
        database = self.open()
        try:
            user = User(username=name, password="-", class_key=class_key)
            return UserRepository(database).insert_user(user)
        finally:
            database.close()


def _read_table(
    database: Database, table: str, order: str, hidden: set[str]
) -> list[dict[str, Any]]:
    if database.sqlite:
        names = [row[1] for row in database.fetch_all(f"PRAGMA table_info({table})", {})]
    else:
        names = [row[0] for row in database.fetch_all(f"SHOW COLUMNS FROM {table}", {})]
    rows = database.fetch_all(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}", {})
    return [
        {name: value for name, value in zip(names, row, strict=True) if name not in hidden}
        for row in rows
    ]
