"""The commands `pixy key`: make, list and revoke API keys of any user."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pixy_core import ApiKey, RecordNotFoundError, Scope
from pixy_core.keys import MAX_KEY_DAYS

if TYPE_CHECKING:
    from pixy_service import KeyService

from pixy_web.commands.database import name_database
from pixy_web.settings import Settings


@click.group()
def key() -> None:
    """Look after the API keys."""


@key.command()
@click.argument("name")
@click.option("--user", required=True, help="The user that the key acts for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    default=[Scope.READ.value],
    show_default=True,
    help="What the key may do. Give it again for more.",
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_KEY_DAYS),
    metavar="N",
    help="Days until the key expires. Default: it does not.",
)
def add(name: str, user: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make an API key called NAME, and print it: it can't be read again."""
    with _open_keys() as keys, _told_if_absent(f"there is no user {user}"):
        issued = keys.add_key(user, name, tuple(map(Scope, dict.fromkeys(scopes))), days)
    click.echo(f"Made the key {issued.key.id} of {issued.key.owner}:", err=True)
    click.echo(issued.token)


@key.command("list")
@click.option("--user", help="Only the keys of this user.")
def list_keys(user: str | None) -> None:
    """List the keys: id, user, name, scopes, state and last use, separated by tabs."""
    with _open_keys() as keys:
        for found in keys.list_keys(user):
            used = "never used" if found.last_used_at is None else _tell(found.last_used_at)
            columns = (found.id, found.owner, found.name, ",".join(found.scopes))
            click.echo("\t".join((*columns, _state_of(found), used)))


@key.command()
@click.argument("id")
def revoke(id: str) -> None:  # noqa: A002 - the name that the help shows
    """Refuse the key ID from now on, for good. Images that were made with it stay."""
    with _open_keys() as keys, _told_if_absent(f"there is no valid key {id}"):
        keys.revoke_key(id)
    click.echo(f"Revoked {id}.")


@contextmanager
def _open_keys() -> Iterator["KeyService"]:
    from pixy_service import open_keys

    with open_keys(name_database(Settings.load())) as keys:
        yield keys


@contextmanager
def _told_if_absent(message: str) -> Iterator[None]:
    try:
        yield
    except RecordNotFoundError as error:
        raise click.ClickException(message) from error


def _state_of(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {_tell(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    verb = "expired" if key.expires_at <= datetime.now(UTC) else "expires"
    return f"{verb} {_tell(key.expires_at)}"


def _tell(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ")
