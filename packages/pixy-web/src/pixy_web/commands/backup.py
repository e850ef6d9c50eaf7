"""The commands `pixy backup` and `pixy restore`.

Exit codes: 0 done, 1 done but images are missing or damaged, 2 wrong usage or an invalid setting,
3 not done.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixy_core import ConfigurationError, PixyProxyException

if TYPE_CHECKING:
    from pixy_service import Finding

from pixy_web.settings import Settings

_DAMAGED, _NOT_DONE = 1, 3
_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@_folder
@click.option(
    "--files-only",
    is_flag=True,
    help="MySQL: copy files and journal only. Run it before and after the dump.",
)
def backup(folder: Path, files_only: bool) -> None:
    """Copy database, journal and images to FOLDER; the server may run.

    The next backup to the same FOLDER copies new images, and removes those that were deleted.

    Exit codes: 0 done, 1 done but images are missing or damaged, 2 wrong usage or setting, 3 not
    done, and an earlier backup is unchanged.
    """
    from pixy_service import open_backup

    settings = _load_settings()
    url = settings.database_url.get_secret_value()
    with (
        _told_if_not_done("backup"),
        open_backup(url, settings.data_dir, folder, files_only=files_only) as store,
    ):
        _tell(store.run())
        copier = store.copier
        click.echo(
            f"Backed up {store.images} images and {store.entries} entries of the journal to "
            f"{folder}: copied {copier.files} files of {copier.bytes} bytes, "
            f"removed {store.removed}."
        )
        _end(store.damaged, "are missing or damaged and were not backed up")


@click.command()
@_folder
def restore(folder: Path) -> None:
    """Restore the backup in FOLDER to a new data folder and database, and check each file.

    PIXY_DATA_DIR and PIXY_DATABASE_URL name the target, which must not exist yet. On MySQL, load
    the dump into the database first.

    Exit codes: 0 done, 1 done but images are missing or damaged, 2 wrong usage or setting, 3 not
    done.
    """
    from pixy_service import open_restore

    settings = _load_settings()
    url = settings.database_url.get_secret_value()
    with (
        _told_if_not_done("restore"),
        open_restore(url, settings.data_dir, folder) as store,
    ):
        _tell(store.run())
        click.echo(
            f"Restored {store.images} images and {store.entries} entries of the journal to "
            f"{settings.data_dir}."
        )
        _end(store.damaged, "are missing or damaged")


def _load_settings() -> Settings:
    settings = Settings.load()
    if settings.content is not None:
        raise ConfigurationError(
            "PIXY_CONTENT: a backup has files. Copy the bucket with `pixy content copy --to "
            "FOLDER` or its provider's tools, and the database with its own"
        )
    return settings


def _tell(findings: "Iterator[Finding]") -> None:
    for finding in findings:
        click.echo(f"{finding.kind:<10} {finding.path}  {finding.reason}")


def _end(damaged: int, problem: str) -> None:
    if damaged:
        click.echo(f"pixy: {damaged} images {problem}", err=True)
        sys.exit(_DAMAGED)


@contextmanager
def _told_if_not_done(command: str) -> Iterator[None]:
    try:
        yield
    except ConfigurationError:
        raise
    except PixyProxyException as error:
        click.echo(f"pixy: the {command} stopped: {error}", err=True)
        sys.exit(_NOT_DONE)
