"""Adds images to an installation without their creates: rows and files."""

import hashlib
import random
import uuid
from pathlib import Path

from database_sessions import connect
from provider_answers import make_png

_PIXEL = make_png(1, 1)

_INSERT = """
    INSERT INTO images (guid, filename, prompt, created_at, updated_at, owner, class_key,
        visibility, media_type, width, height, size, sha256, generator, model)
    VALUES ({0}, {0}, 'x', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', 'ada',
        'class', 'private', 'image/png', 1, 1, {0}, {0}, 'sketch', 'sketch-1')
"""


def add_images(database_url: str, data: Path, count: int, size: int) -> dict[str, bytes]:
    """Add images of ada's, and return their bytes by name, in order; they can't be compressed.

    Args:
        database_url: The database, which has tables and ada.
        data: The data folder.
        count: Number of images.
        size: Bytes of each file.
    """
    chance, made = random.Random(7), dict[str, bytes]()
    for shelf in range(256):
        (data / "images" / f"{shelf:02x}").mkdir(parents=True, exist_ok=True)
    for _ in range(count):
        guid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        content = made[f"{guid}.png"] = _PIXEL + chance.randbytes(size - len(_PIXEL))
        locate(data, f"{guid}.png").write_bytes(content)
    rows = [
        (name[:36], name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in made.items()
    ]
    mark = "?" if database_url.startswith("sqlite") else "%s"
    with connect(database_url) as connection:
        connection.cursor().executemany(_INSERT.format(mark), rows)
        connection.commit()
    return dict(sorted(made.items()))


def locate(data: Path, name: str) -> Path:
    """Return the path of an image file in a data folder."""
    return data / "images" / name[:2] / name
