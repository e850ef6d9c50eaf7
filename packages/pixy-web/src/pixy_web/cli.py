"""The command `pixy`: what operators type, and what they are told when it can't be done.

Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong setting; `check`, `backup` and `restore`
have their own.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pixy_core import (
    ConfigurationError,
    ConstraintViolationError,
    InvalidInputError,
    PixyProxyException,
    RecordNotFoundError,
)

if TYPE_CHECKING:
    from pixy_service import UserService

from pixy_web.backup_command import backup, restore
from pixy_web.check_command import check
from pixy_web.settings import Settings

# imports inside the commands: FastAPI, SQLAlchemy and Alembic cost a second that
# `pixy --version` and `pixy config` need not spend


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pixy-web", prog_name="pixy")
def commands() -> None:
    """PixyProxy: a team's image service. Settings come from PIXY_… variables or a .env file."""


@commands.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--workers", type=int, help="Processes that serve.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API and the pages until stopped."""
    from pixy_web import server

    server.serve(Settings.load(host=host, port=port, workers=workers))


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port; a free one if it is taken.")
def demo(host: str, port: int) -> None:
    """Serve a fresh data folder with a user and some images, drawn offline."""
    from pixy_web.demo import run_demo

    run_demo(host, port)


@commands.command()
def config() -> None:
    """Show the effective settings, secrets masked."""
    for name, value in Settings.load().shown().items():
        click.echo(f"{name}={value}")


commands.add_command(check)
commands.add_command(backup)
commands.add_command(restore)


@commands.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Create the tables, or bring them up to date."""
    from pixy_service import upgrade_database

    upgrade_database(Settings.load().database_url.get_secret_value())
    click.echo("The database is up to date.")


@commands.group()
def user() -> None:
    """Look after the users."""


password_from_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input instead of asking for it.",
)


@user.command()
@click.argument("name")
@click.option("--class-key", required=True, metavar="KEY", help="The class the user belongs to.")
@password_from_stdin
def add(name: str, class_key: str, password_stdin: bool) -> None:
    """Add the user NAME."""
    new_password = _read_password(password_stdin)
    with _open_users() as users:
        try:
            added = users.add_user(name, new_password, class_key)
        except ConstraintViolationError as error:
            raise click.ClickException(f"there is a user {name} already") from error
    click.echo(f"Added {added.username}, of class {added.class_key}.")


@user.command("list")
def list_users() -> None:
    """List the users: name, class and state, separated by tabs."""
    with _open_users() as users:
        for found in users.list_users():
            state = "disabled" if found.disabled else "enabled"
            click.echo(f"{found.username}\t{found.class_key}\t{state}")


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Refuse the user NAME from now on; the images stay."""
    with _open_users() as users, _told_if_absent(name):
        users.disable_user(name)
    click.echo(f"Disabled {name}.")


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let the disabled user NAME in again."""
    with _open_users() as users, _told_if_absent(name):
        users.enable_user(name)
    click.echo(f"Enabled {name}.")


@user.command()
@click.argument("name")
@password_from_stdin
def password(name: str, password_stdin: bool) -> None:
    """Change the password of the user NAME."""
    new_password = _read_password(password_stdin)
    with _open_users() as users, _told_if_absent(name):
        users.set_password(name, new_password)
    click.echo(f"Changed the password of {name}.")


@contextmanager
def _open_users() -> Iterator["UserService"]:
    from pixy_service import open_users

    settings = Settings.load()
    with open_users(settings.database_url.get_secret_value(), settings.limits) as users:
        yield users


@contextmanager
def _told_if_absent(name: str) -> Iterator[None]:
    try:
        yield
    except RecordNotFoundError as error:
        raise click.ClickException(f"there is no user {name}") from error


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return answer


def main() -> None:
    """Run the command line, and tell failures in a line instead of a traceback."""
    try:
        commands(prog_name="pixy")
    except ConfigurationError as error:
        _fail(str(error), 2)
    except InvalidInputError as error:
        _fail("\n".join(f"{'.'.join(where)}: {why}" for where, why in error.errors), 2)
    except PixyProxyException as error:
        _fail(error.explanation, 1)


def _fail(message: str, code: int) -> None:
    for line in message.splitlines():
        click.echo(f"pixy: {line}", err=True)
    sys.exit(code)
