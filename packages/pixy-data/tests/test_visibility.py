"""The rule who may see an image is written once: changing it changes every way to an image."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pixy_data

RULE = 'CLASS = Audience("class", Visibility.CLASS, "class_key", "class_key")'
CHANGED_RULE = RULE.replace("Visibility.CLASS", "Visibility.PRIVATE")

LOOK = """
import json, sys, uuid
from pixy_core import ImageDetail, ImageFilter, Scope, User, Visibility
from pixy_data import ApiKeyRepository, ImageRepository, UserRepository, open_database

database = open_database(f"sqlite:///{sys.argv[1]}")
images, users, keys = (
    kind(database) for kind in (ImageRepository, UserRepository, ApiKeyRepository)
)
anna, bert = (User(username=name, password="-", class_key="red") for name in ("anna", "bert"))
users.insert_user(anna)
users.insert_user(bert)
guid = str(uuid.uuid4())
detail = ImageDetail(
    prompt="a heron", guid=guid, filename=f"{guid}.png", owner="anna", media_type="image/png",
    width=1, height=1, size=1, sha256="0" * 64, generator="sketch", model="sketch",
)
images.insert_image(detail, anna)
viewer = users.authenticate_viewer("bert", guid)
keys.insert_key("k" * 10, "-", owner="bert", name="-", scopes=(Scope.READ,), days=None)
scopes = {scope for (scope,) in database.fetch_all("SELECT scope FROM image_words", {})}
print(json.dumps({
    "details": images.find_visible_image(guid, bert) is not None,
    "details at sign-in": viewer.image is not None,
    "details with a key": keys.find_viewer("k" * 10, guid).image is not None,
    "list": len(images.list_visible_images(bert, 10)) == 1,
    "filtered list": len(images.search_images(ImageFilter(visibility="private"), bert, 10)) == 1,
    "search": len(images.search_images(ImageFilter(q="heron"), bert, 10)) == 1,
    "index": "class:red" in scopes,
}))
"""


def look(folder: Path) -> dict[str, bool]:
    """Return by which ways a user sees a private image of another user of the same class."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", LOOK, str(folder / "pixy.sqlite3")]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ways: dict[str, bool] = json.loads(found.stdout)
    return ways


@pytest.mark.parametrize("changed", [False, True])
def test_changing_the_rule_changes_every_way_to_an_image(tmp_path: Path, changed: bool) -> None:
    package = tmp_path / "pixy_data"
    shutil.copytree(Path(pixy_data.__file__).parent, package)
    visibility = package / "visibility.py"
    text = visibility.read_text()
    assert text.count(RULE) == 1
    visibility.write_text(text.replace(RULE, CHANGED_RULE) if changed else text)
    ways = look(tmp_path)
    assert ways == dict.fromkeys(ways, changed)
    assert len(ways) == 7
