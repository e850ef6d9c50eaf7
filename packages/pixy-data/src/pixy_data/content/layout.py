"""The names of files.

Images are `<aa>/<guid>.<extension>`, where aa begins the guid; journal entries are `<guid>.json`.
"""

import re
from pathlib import Path

from pixy_core.images import GUID_REGEX, IMAGE_EXTENSIONS

STAGING = ".staging"
"""The folder of unfinished files."""

SHELF = re.compile("[0-9a-f]{2}")
FILENAME = re.compile(rf"({GUID_REGEX})\.({'|'.join(IMAGE_EXTENSIONS.values())})")
ENTRY = re.compile(rf"({GUID_REGEX})\.json")
UNFINISHED = re.compile(rf"({GUID_REGEX})(?:\.[a-z0-9.]{{1,40}})?\.part")


def locate(directory: Path, filename: str) -> Path:
    """Return the path of a file that is named after a guid."""
    return directory / filename[:2] / filename
