"""docs/commands.md has every command and every option."""

import functools
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/commands.md").read_text()
PIXY = Path(sys.executable).parent / "pixy"


@functools.cache
def ask_for_help(*command: str) -> str:
    return subprocess.run(
        [PIXY, *command, "--help"], capture_output=True, text=True, check=True
    ).stdout


def find_commands(*group: str) -> list[tuple[str, ...]]:
    """Return the commands of a group and of its subgroups."""
    _, _, listed = ask_for_help(*group).partition("Commands:\n")
    found = [(*group, name) for name in re.findall(r"^  (\w+)", listed, re.MULTILINE)]
    return [each for command in found for each in (find_commands(*command) or [command])]


def test_every_command_has_a_row() -> None:
    commands = find_commands()
    assert len(commands) > 8
    assert [each for each in commands if f"| `pixy {' '.join(each)}" not in PAGE] == []


def test_every_option_has_a_row() -> None:
    for command in find_commands():
        options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", ask_for_help(*command), re.MULTILINE))
        rows = re.findall(rf"^\| (?:all|.*`{' '.join(command)}`.*?) \|(.*)$", PAGE, re.MULTILINE)
        assert options <= set(re.findall(r"`(--[\w-]+)", " ".join(rows))), command
