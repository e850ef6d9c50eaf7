"""The names and places of files.

Images are `<aa>/<guid>.<extension>`, where aa begins the guid; journal entries are `<guid>.json`.
"""

import re
from pathlib import Path

from pixy_core.images import GUID_REGEX

STAGING = ".staging"
"""The folder of unfinished files."""

_SHELF = re.compile("[0-9a-f]{2}")
UNFINISHED = re.compile(rf"({GUID_REGEX})(?:\.[a-z0-9.]{{1,40}})?\.part")


def list_shelves(directory: Path) -> list[Path]:
    """Return the folders `<aa>` of an image folder, in order."""
    return sorted(
        path for path in directory.iterdir() if _SHELF.fullmatch(path.name) and path.is_dir()
    )


def locate(directory: Path, filename: str) -> Path:
    """Return the path of a file that is named after a guid."""
    return directory / filename[:2] / filename
