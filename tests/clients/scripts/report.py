"""What the Python scripts read from their command line and print."""

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any


def read_calls() -> list[tuple[str, dict[str, Any]]]:
    """Return the action and the arguments of each call."""
    return [(action, arguments) for action, arguments in json.loads(sys.argv[1])]


def make_calls(act: Callable[[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Make the calls of the command line, one after the other, and print what each got."""
    print_reports([act(action, arguments) for action, arguments in read_calls()])


def describe_image(members: dict[str, Any]) -> dict[str, Any]:
    """Return what an image or an event of the API holds, its content as a hash."""
    described = {name: members[name] for name in ("guid", "url") if members.get(name)}
    if members.get("b64_json"):
        described |= describe_content(base64.b64decode(members["b64_json"], validate=True))
    return described


def describe_content(content: bytes) -> dict[str, Any]:
    """Return the size and the hash of an image."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def print_reports(reports: list[dict[str, Any]]) -> None:
    """Print what was got, as the last line."""
    print(f"\n{json.dumps(reports)}")
