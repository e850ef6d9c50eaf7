"""Which database a command works on: told on standard error, and never made by mistake."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pixy_core import ConfigurationError

if TYPE_CHECKING:
    from pixy_service import DatabaseLocation

from pixy_web.settings import Settings


def may_create(_: "DatabaseLocation") -> None:
    """Allow a new database."""


def refuse_to_create(location: "DatabaseLocation") -> None:
    """Refuse a new database.

    Raises:
        ConfigurationError: Always.
    """
    raise ConfigurationError(
        f"There is no database {location.name}: run pixy in the folder of the server, or set "
        "PIXY_DATA_DIR or PIXY_DATABASE_URL; `pixy db upgrade` makes a new database"
    )


def ask_to_create(location: "DatabaseLocation") -> None:
    """Ask at the terminal whether to make a new database; refuse without a terminal.

    Raises:
        ConfigurationError: There is no terminal.
        Abort: The answer is no.
    """
    if not sys.stdin.isatty():
        refuse_to_create(location)
    click.confirm("There is no such database. Create it?", abort=True, err=True)


def name_database(
    settings: Settings, when_missing: Callable[["DatabaseLocation"], None] = refuse_to_create
) -> str:
    """Return the URL of the database, and print its name on standard error.

    Args:
        settings: The settings.
        when_missing: Called if there is no such database; it may raise.

    Raises:
        ConfigurationError: The URL is wrong.
    """
    from pixy_service import locate_database

    url = settings.database_url.get_secret_value()
    location = locate_database(url)
    click.echo(f"Database: {location.name}", err=True)
    if location.is_missing:
        when_missing(location)
    return url
