"""The command `pixy content copy`, which moves the images to another content store.

Exit codes: 0 done, 1 images are missing, damaged or waiting, 2 wrong usage or an invalid setting,
3 not done.
"""

import sys
from typing import TYPE_CHECKING

import click

from pixy_core import ConfigurationError, PixyProxyException, StoreMismatchError

if TYPE_CHECKING:
    from pixy_service import StoreCopy

from pixy_web.commands.progress import Progress
from pixy_web.settings import Settings

_DAMAGED, _NOT_DONE = 1, 3


@click.group()
def content() -> None:
    """Look after the place of the images."""


@content.command()
@click.option(
    "--to",
    required=True,
    metavar="PLACE",
    help="s3://bucket/prefix, gs://… or az://…, or the path of a data folder.",
)
@click.option(
    "--leave-damaged",
    is_flag=True,
    help="Complete the copy without images that are missing or damaged.",
)
def copy(to: str, leave_damaged: bool) -> None:
    """Copy the images to PLACE; the server may run. Run it again to go on.

    Exit codes: 0 done, 1 images are missing, damaged or waiting, 2 wrong usage or setting, 3 not
    done.
    """
    from pixy_service import open_copy

    settings = Settings.load()
    url = settings.database_url.get_secret_value()
    try:
        with open_copy(
            url,
            settings.data_dir,
            settings.content,
            to,
            leave_damaged=leave_damaged,
            on_progress=Progress(_tell_progress).tell,
        ) as store:
            for finding in store.run():
                click.echo(f"{finding.kind:<10} {finding.path}  {finding.reason}")
            click.echo(_summarise(store, to))
            _end(store)
    except ConfigurationError:
        raise
    except PixyProxyException as error:
        _give_up(error, to)


def _tell_progress(store: "StoreCopy") -> str:
    counts = f"{store.images} images checked, {store.copied} copied so far"
    return f"{counts} ({store.bytes} bytes)"


def _summarise(store: "StoreCopy", to: str) -> str:
    copied = f"Copied {store.copied} images of {store.bytes} bytes to {to}"
    return f"{copied}: it has {store.images - store.damaged} of {store.images}."


def _end(store: "StoreCopy") -> None:
    if store.surplus:
        _warn(
            f"{store.surplus} images in the copy have no row, such as those that were deleted "
            "since: run `pixy check --repair` with the new setting"
        )
    if store.waiting:
        _warn(f"{store.waiting} journal entries can't become images: see `pixy check --repair`")
    if store.damaged:
        _warn(f"{store.damaged} images are missing or damaged and were not copied")
    if not store.is_complete:
        _warn("the copy is not complete: repair these, or see `pixy content copy --help`")
    if store.damaged or store.waiting:
        sys.exit(_DAMAGED)


def _give_up(error: PixyProxyException, to: str) -> None:
    _warn(f"the copy stopped: {error.explanation}")
    if isinstance(error, StoreMismatchError):
        _warn(f"check PIXY_DATA_DIR, PIXY_CONTENT and {to}: one is of another database")
    sys.exit(_NOT_DONE)


def _warn(message: str) -> None:
    click.echo(f"pixy: {message}", err=True)
