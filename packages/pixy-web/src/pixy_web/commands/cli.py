"""The command `pixy`: its subcommands, and messages about failures.

Exit codes: 0 done, 1 failed, 2 wrong usage or an invalid setting, 130 Ctrl-C; `check`, `backup`,
`restore`, `content copy`, `export` and `import` have their own.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from getpass import GetPassWarning
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
    from pixy_service import DatabaseLocation, UserService

from pixy_web.commands.backup import backup, restore
from pixy_web.commands.check import check
from pixy_web.commands.content import content
from pixy_web.commands.database import ask_to_create, may_create, name_database, refuse_to_create
from pixy_web.commands.entry import INTERRUPTED, leaving_at_interrupt
from pixy_web.commands.key import key
from pixy_web.commands.moving import export, import_
from pixy_web.settings import Settings

# imports inside the commands: FastAPI, SQLAlchemy and Alembic take a second, which
# `pixy --version` and `pixy config` do not need


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pixy-web", prog_name="pixy")
def commands() -> None:
    """PixyProxy: a team's image service. Settings come from PIXY_… variables or a .env file."""


@commands.command()
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--workers", type=int, help="Number of worker processes.")
@click.option(
    "--no-upgrade",
    is_flag=True,
    help="Never change the tables; refuse to start while they are older than this version.",
)
def serve(host: str | None, port: int | None, workers: int | None, no_upgrade: bool) -> None:
    """Serve the API and the gallery until stopped."""
    with leaving_at_interrupt():
        from pixy_web import app
        from pixy_web.server import run as server

    settings = Settings.load(host=host, port=port, workers=workers)
    # workers get the settings from the environment, and the option by the factory's name
    factory = app.create_app_without_upgrade if no_upgrade else app.create_app_from_environment
    prepare = partial(app.prepare, upgrade=not no_upgrade)
    name = f"{app.__name__}:{factory.__name__}"
    server.serve(settings, name, prepare, app.serve_metrics)


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port; if in use, a free one.")
def demo(host: str, port: int) -> None:
    """Serve a new temporary data folder with a user and some images, drawn offline."""
    with leaving_at_interrupt():
        from pixy_web.commands.demo import run_demo

    run_demo(host, port)


@commands.command()
def config() -> None:
    """Show the settings in effect, secrets masked."""
    for name, value in Settings.load().masked().items():
        click.echo(f"{name}={value}")


commands.add_command(check)
commands.add_command(backup)
commands.add_command(restore)
commands.add_command(content)
commands.add_command(export)
commands.add_command(import_)
commands.add_command(key)


@commands.group()
def db() -> None:
    """Manage the database."""


@db.command()
def upgrade() -> None:
    """Create the tables, or upgrade them."""
    from pixy_service import locate_database, upgrade_database

    url = Settings.load().database_url.get_secret_value()
    upgrade_database(url)
    click.echo(f"The database is up to date: {locate_database(url).name}")


@commands.group()
def user() -> None:
    """Manage the users."""


password_from_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input instead of asking for it.",
)


@user.command()
@click.argument("name")
@click.option("--class-key", required=True, metavar="KEY", help="The class the user belongs to.")
@click.option("--create", is_flag=True, help="Create the SQLite file if there is none.")
@password_from_stdin
def add(name: str, class_key: str, create: bool, password_stdin: bool) -> None:
    """Add the user NAME."""
    with _open_users(may_create if create else ask_to_create) as users, _told_if_taken(name):
        users.check_new_user(name, class_key)
        added = users.add_user(name, _read_password(password_stdin), class_key)
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
    """Refuse the user NAME from the next request on; the images stay."""
    with _open_users() as users, _told_if_absent(name):
        users.disable_user(name)
    click.echo(f"Disabled {name}.")


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Let the disabled user NAME sign in again."""
    with _open_users() as users, _told_if_absent(name):
        users.enable_user(name)
    click.echo(f"Enabled {name}.")


@user.command()
@click.argument("name")
@password_from_stdin
def password(name: str, password_stdin: bool) -> None:
    """Change the password of the user NAME."""
    with _open_users() as users, _told_if_absent(name):
        users.authenticate_user(name)
        users.set_password(name, _read_password(password_stdin))
    click.echo(f"Changed the password of {name}.")


@contextmanager
def _open_users(
    when_missing: Callable[["DatabaseLocation"], None] = refuse_to_create,
) -> Iterator["UserService"]:
    from pixy_service import open_users

    settings = Settings.load()
    with open_users(name_database(settings, when_missing), settings.limits) as users:
        yield users


@contextmanager
def _told_if_taken(name: str) -> Iterator[None]:
    try:
        yield
    except ConstraintViolationError as error:
        raise click.ClickException(f"there is a user {name} already") from error


@contextmanager
def _told_if_absent(name: str) -> Iterator[None]:
    try:
        yield
    except RecordNotFoundError as error:
        raise click.ClickException(f"there is no user {name}") from error


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        line = sys.stdin.buffer.readline().rstrip(b"\r\n")
        try:
            # some programs on Windows send a byte-order mark first
            return line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise click.UsageError("The password on standard input is not UTF-8.") from error
    try:
        with warnings.catch_warnings():
            # otherwise getpass reads standard input and shows the password
            warnings.simplefilter("error", GetPassWarning)
            answer: str = click.prompt(
                "Password", hide_input=True, confirmation_prompt=True, err=True
            )
    except GetPassWarning as error:
        raise click.UsageError(
            "There is no terminal to ask for the password: use --password-stdin."
        ) from error
    return answer


def main() -> None:
    """Run the command line, and report failures in one line instead of a traceback."""
    try:
        # in standalone mode click exits with 1 at Ctrl-C
        sys.exit(commands(prog_name="pixy", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as error:
        click.echo("Aborted!", err=True)
        sys.exit(INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else 1)
    except ConfigurationError as error:
        _fail(str(error), 2)
    except InvalidInputError as error:
        _fail("\n".join(f"{'.'.join(where)}: {why}" for where, why in error.errors), 2)
    except PixyProxyException as error:
        _fail(error.explanation, 1)
    except OSError as error:
        # discard the buffer of standard output: Python would fail to write it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 1)


def _fail(message: str, code: int) -> None:
    for line in message.splitlines():
        click.echo(f"pixy: {line}", err=True)
    sys.exit(code)
