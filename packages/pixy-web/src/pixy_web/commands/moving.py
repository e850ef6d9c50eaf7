"""The commands `pixy export` and `pixy import`, which move images to another installation.

Exit codes: 0 done, 1 done but there are findings, 2 wrong usage or an invalid setting, 3 not done.
"""

import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import click

from pixy_core import ConfigurationError, InvalidInputError, PixyProxyException

if TYPE_CHECKING:
    from pixy_service import ArchiveCheck, ArchiveImport, Finding, StoreExport

from pixy_web.commands.progress import Progress
from pixy_web.settings import Settings

_LEFT_OUT, _NOT_DONE = 1, 3
_PIPE = "-"
_file = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))


@click.command()
@_file
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="KEY",
    help="Only images of users of this class. Give it again for more.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="NAME",
    help="Only images of this user. Give it again for more.",
)
@click.option(
    "--query", metavar="WORDS", help="Only images whose prompts have these words, as in a search."
)
def export(file: Path, classes: tuple[str, ...], users: tuple[str, ...], query: str | None) -> None:
    """Write images, their details and their users to FILE, such as moving.tar.zst.

    The server may run. FILE gets its name when it is complete; `-` is standard output. Passwords
    and API keys are not in it.

    Exit codes: 0 done, 1 done but images are missing, damaged or waiting, 2 wrong usage or setting,
    3 not done.
    """
    from pixy_service import Selection, open_export

    settings = Settings.load()
    with (
        _told_if_not_done("export"),
        open_export(
            settings.database_url.get_secret_value(),
            settings.data_dir,
            settings.content,
            _name_output(file),
            Selection(classes, users, query),
            on_progress=Progress(_tell_export).tell,
        ) as store,
    ):
        say = _choose_voice(file)
        found = _tell(store.run(), say)
        counts = f"{store.images} images of {store.bytes} bytes, of {store.users} users"
        say(f"Exported {counts}, to {file}.")
        if store.outside:
            _warn(
                f"images were made from {store.outside} others that are not in the archive; "
                "their guids and hashes are"
            )
        _end(found, store.left_out, "were not exported")


@click.command("import")
@_file
@click.option(
    "--map-user",
    "pairs",
    multiple=True,
    metavar="OLD=NEW",
    help="Give the images of OLD to the existing user NEW. Give it again for more.",
)
@click.option("--check", is_flag=True, help="Read and verify FILE only; no database is needed.")
def import_(file: Path, pairs: tuple[str, ...], check: bool) -> None:
    """Add the images of FILE, which `pixy export` wrote, and their users.

    The server may run. Each hash is verified. What is there already is not changed, so run it
    again after an interruption. `-` is standard input. New users have no password.

    Exit codes: 0 done, 1 done but something is left out or outdated, 2 wrong usage or setting, 3
    not done.
    """
    names = _read_pairs(pairs)
    source = _name_input(file)
    with _told_if_not_done("check" if check else "import"):
        if check:
            _check(file, source, names)
        else:
            _import(file, source, names)


def _check(file: Path, source: Path | BinaryIO, names: dict[str, str]) -> None:
    from pixy_service import ArchiveCheck

    archive = ArchiveCheck(source, names=names, on_progress=Progress(_tell_images).tell)
    found = _tell(archive.run(), _say)
    _say(f"{file} is complete: {archive.images} images of {archive.users} users.")
    _end(found, archive.left_out, "are damaged")


def _import(file: Path, source: Path | BinaryIO, names: dict[str, str]) -> None:
    from pixy_service import open_import

    settings = Settings.load()
    with open_import(
        settings.database_url.get_secret_value(),
        settings.data_dir,
        settings.content,
        source,
        names=names,
        on_progress=Progress(_tell_images).tell,
    ) as archive:
        try:
            found = _tell(archive.run(), _say)
        finally:
            # also before an error: a run after it finds these users, and does not name them
            _tell_users(archive)
        _say(_summarise(archive, file))
        _end(found, archive.left_out, "were not imported")


def _tell_users(archive: "ArchiveImport") -> None:
    for name in archive.new_users:
        _say(f"new user   {name}  has no password: {_name_command(name)}")
    for old, new in archive.given.items():
        _say(f"existing   {new}  gets the images of {old}")
    for class_key in sorted(archive.joined_classes):
        _say(f"class      {class_key}  its users here see what is imported for this class")


def _summarise(archive: "ArchiveImport", file: Path) -> str:
    repaired = f", {archive.repaired} of them repaired" if archive.repaired else ""
    return (
        f"Imported {archive.added} images from {file}, {archive.bytes} bytes written: "
        f"{archive.present} of its {archive.images} were there already{repaired}."
    )


def _name_input(file: Path) -> Path | BinaryIO:
    if str(file) != _PIPE:
        return file
    # Python has none if it was closed at the start
    if sys.stdin is None:
        raise click.UsageError("Standard input is closed.")
    return sys.stdin.buffer


def _name_output(file: Path) -> Path | BinaryIO:
    if str(file) != _PIPE:
        return file
    if sys.stdout.isatty():
        raise click.UsageError("An archive is not text: send it to a file or a pipe.")
    output = sys.stdout.buffer
    # with PYTHONUNBUFFERED a write may take a part of the bytes, or none
    return io.BufferedWriter(output) if isinstance(output, io.RawIOBase) else output


def _choose_voice(file: Path) -> Callable[[str], None]:
    """Return the function that prints; standard output may be the archive."""
    return _say_aside if str(file) == _PIPE else _say


def _say(line: str) -> None:
    click.echo(_escape(line))


def _say_aside(line: str) -> None:
    click.echo(_escape(line), err=True)


def _escape(line: str) -> str:
    """Return a line that can't control a terminal; names of files may have any character."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in line
    )


def _name_command(name: str) -> str:
    """Return the command that gives a user a password, for a shell."""
    return shlex.join(["pixy", "user", "password", *(["--"] if name.startswith("-") else []), name])


def _read_pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in pairs:
        old, sign, new = pair.partition("=")
        if not (old and sign and new):
            raise click.UsageError("--map-user wants OLD=NEW, two names of users.")
        if old in names:
            raise click.UsageError(f"--map-user names {old!r} twice.")
        names[old] = new
    return names


def _tell(findings: "Iterator[Finding]", say: Callable[[str], None]) -> int:
    """Print each finding, and return how many there are."""
    found = 0
    for found, finding in enumerate(findings, 1):  # noqa: B007 - the last number is returned
        say(f"{finding.kind:<10} {finding.path}  {finding.reason}")
    return found


def _tell_export(store: "StoreExport") -> str:
    return f"{store.looked_at} images looked at, {store.images} exported ({store.bytes} bytes)"


def _tell_images(archive: "ArchiveImport | ArchiveCheck") -> str:
    return f"{archive.images} images read so far"


def _end(found: int, left_out: int, problem: str) -> None:
    if left_out:
        _warn(f"{left_out} images {problem}")
    if found:
        sys.exit(_LEFT_OUT)


@contextmanager
def _told_if_not_done(command: str) -> Iterator[None]:
    try:
        yield
    except (ConfigurationError, InvalidInputError):
        raise
    except PixyProxyException as error:
        _stop(command, error.explanation)
    except OSError as error:
        _stop(command, f"standard output can't be written: {error.strerror}")


def _stop(command: str, reason: str) -> NoReturn:
    # discard the buffer of standard output: Python would fail to write it at exit
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _warn(f"the {command} stopped: {reason}")
    sys.exit(_NOT_DONE)


def _warn(message: str) -> None:
    _say_aside(f"pixy: {message}")
