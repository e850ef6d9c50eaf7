"""Makes many images with real files quickly, by copying images that a service has."""

import datetime
import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path


def copy_images(data_dir: Path, count: int) -> None:
    """Add copies of the stored images, each a second older than the last; the files are links.

    Args:
        data_dir: The data folder of a service on SQLite, which may be running.
        count: Number of copies; the images take turns. Each prompt gets a number.
    """
    with closing(sqlite3.connect(data_dir / "pixy.sqlite3", timeout=30)) as database, database:
        database.row_factory = sqlite3.Row
        originals = database.execute("SELECT * FROM images ORDER BY created_at, guid").fetchall()
        columns = [name for name in originals[0].keys() if name != "id"]  # noqa: SIM118 - a Row
        insert = (
            f"INSERT INTO images ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        )
        oldest = datetime.datetime.fromisoformat(originals[0]["created_at"])
        for number in range(1, count + 1):
            original = originals[number % len(originals)]
            guid = str(uuid.uuid4())
            filename = original["filename"].replace(original["guid"], guid)
            moment = (oldest - datetime.timedelta(seconds=number)).isoformat(
                sep=original["created_at"][10], timespec="microseconds"
            )
            changes = {
                "guid": guid,
                "filename": filename,
                "prompt": f"{original['prompt']}, no. {number}",
                "created_at": moment,
                "updated_at": moment,
            }
            _link_file(data_dir / "images", original["filename"], filename)
            database.execute(insert, [changes.get(name, original[name]) for name in columns])


def _link_file(folder: Path, original: str, filename: str) -> None:
    target = folder / filename[:2] / filename
    target.parent.mkdir(exist_ok=True)
    os.link(folder / original[:2] / original, target)
