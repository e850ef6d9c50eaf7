"""The names that files and objects share."""

import re

from pixy_core.images import GUID_REGEX, IMAGE_EXTENSIONS

IMAGES = "images"
JOURNAL = "journal"
THUMBNAILS = "thumbnails"
QUARANTINE = "quarantine"
"""The folders of a data folder, and of a bucket."""

FILENAME = re.compile(rf"({GUID_REGEX})\.({'|'.join(IMAGE_EXTENSIONS.values())})")
"""An image."""

ENTRY = re.compile(rf"({GUID_REGEX})\.json")
"""A journal entry."""
