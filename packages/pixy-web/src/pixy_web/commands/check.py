"""The command `pixy check`, which compares rows and files and prints text or JSON.

Exit codes: 0 they agree, 1 problems are left, 2 wrong usage or an invalid setting, 3 the check was
not finished. pixy_service does the comparison.
"""

import json
import sys
from typing import TYPE_CHECKING

import click

from pixy_core import ConfigurationError, PixyProxyException, StoreMismatchError

if TYPE_CHECKING:
    from pixy_service import Finding, StoreChecker

from pixy_web.settings import Settings

LONGEST_CREATE_MARGIN = 300
"""Seconds that a create may last in addition to the generation, with a margin for slow disks."""

_REMAINS, _UNKNOWN = 1, 3
_WAY_OUT = (
    "mount the right volume, or set the right folder, bucket or database; if these belong "
    "together, run: pixy check --accept-store"
)


@click.command()
@click.option("--repair", is_flag=True, help="Fix what can be fixed. Never deletes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on each line.")
@click.option(
    "--min-age",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Leave younger files alone. Default: PIXY_GENERATION_TIMEOUT and 300.",
)
@click.option(
    "--accept-store",
    is_flag=True,
    help="First mark the data folder or bucket and the database as belonging together.",
)
@click.option("--deep", is_flag=True, help="Read every object, too; files are always read.")
def check(
    repair: bool, as_json: bool, min_age: float | None, accept_store: bool, deep: bool
) -> None:
    """Compare database, files and journal; the server may run.

    Exit codes: 0 no problems are left, 1 problems are left, 2 wrong usage or setting, 3 the check
    was not finished.
    """
    from pixy_service import open_checker

    settings = Settings.load()
    if min_age is None:
        min_age = settings.generation_timeout + LONGEST_CREATE_MARGIN
    url = settings.database_url.get_secret_value()
    try:
        with open_checker(
            url,
            settings.data_dir,
            settings.content,
            min_age=min_age,
            accept_store=accept_store,
            deep=deep,
        ) as checker:
            for finding in checker.check(repair=repair):
                click.echo(_as_json(finding) if as_json else _as_text(finding))
            click.echo(_summary_as_json(checker) if as_json else _summary_as_text(checker))
            sys.exit(_REMAINS if checker.remaining else 0)
    except ConfigurationError:
        raise
    except PixyProxyException as error:
        _give_up(error)


def _give_up(error: PixyProxyException) -> None:
    click.echo(f"pixy: the check stopped: {error.explanation}", err=True)
    if isinstance(error, StoreMismatchError):
        click.echo(f"pixy: {_WAY_OUT}", err=True)
    sys.exit(_UNKNOWN)


def _as_text(finding: "Finding") -> str:
    done = f": {finding.repair}" if finding.repair else ""
    return f"{finding.kind:<10} {finding.path}  {finding.reason}{done}"


def _as_json(finding: "Finding") -> str:
    return json.dumps(
        {
            "kind": finding.kind.value,
            "guid": finding.guid,
            "path": finding.path,
            "reason": finding.reason,
            "repair": finding.repair,
        }
    )


def _summary_as_text(checker: "StoreChecker") -> str:
    counts = f"{checker.images} images and {checker.files} files"
    return f"Checked {counts}. Problems left: {checker.remaining}."


def _summary_as_json(checker: "StoreChecker") -> str:
    counts = {"images": checker.images, "files": checker.files, "remaining": checker.remaining}
    return json.dumps({"summary": counts})
