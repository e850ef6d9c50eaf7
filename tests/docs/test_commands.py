"""docs/commands.md has every command and every option."""

import re
from pathlib import Path

from click.testing import CliRunner

from pixy_web.commands.cli import commands

PAGE = (Path(__file__).parents[2] / "docs/commands.md").read_text()


def ask_for_help(*command: str) -> str:
    done = CliRunner().invoke(commands, [*command, "--help"], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def find_commands(*group: str) -> list[tuple[str, ...]]:
    """Return the commands of a group and of its subgroups."""
    _, _, listed = ask_for_help(*group).partition("Commands:\n")
    found = [(*group, name) for name in re.findall(r"^  (\w+)", listed, re.MULTILINE)]
    return [each for command in found for each in (find_commands(*command) or [command])]


def test_every_command_has_a_row() -> None:
    found = find_commands()
    assert len(found) > 8
    assert [each for each in found if f"| `pixy {' '.join(each)}" not in PAGE] == []


def test_every_option_has_a_row() -> None:
    for command in find_commands():
        options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", ask_for_help(*command), re.MULTILINE))
        rows = re.findall(rf"^\| (?:all|.*`{' '.join(command)}`.*?) \|(.*)$", PAGE, re.MULTILINE)
        assert options <= set(re.findall(r"`(--[\w-]+)", " ".join(rows))), command
