"""What the Python scripts read from their command line and print."""

import base64
import hashlib
import json
import sys
from typing import Any


def read_arguments() -> tuple[str, dict[str, Any]]:
    """Return the action and its arguments."""
    action, *rest = sys.argv[1:]
    return action, json.loads(rest[0]) if rest else {}


def describe_image(members: dict[str, Any]) -> dict[str, Any]:
    """Return what an image or an event of the API holds, its content as a hash."""
    described = {name: members[name] for name in ("guid", "url") if members.get(name)}
    if members.get("b64_json"):
        described |= describe_content(base64.b64decode(members["b64_json"], validate=True))
    return described


def describe_content(content: bytes) -> dict[str, Any]:
    """Return the size and the hash of an image."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def print_report(report: dict[str, Any]) -> None:
    """Print what was got, as the last line."""
    print(f"\n{json.dumps(report)}")
