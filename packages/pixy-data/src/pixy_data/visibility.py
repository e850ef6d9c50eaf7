"""The visibility rule: who may see an image, in details, lists, searches and the index of words."""

from typing import NamedTuple

from pixy_core import Visibility
from pixy_data.conversions import DETAIL_COLUMNS, IMAGE_COLUMNS


class Audience(NamedTuple):
    """Callers to whom an image is visible.

    Attributes:
        name: Names their scope in the index of words.
        visibility: The visibility that the image must have; None for any.
        column: The column of images that must equal the caller's attribute; None for all callers.
        attribute: The attribute of User that is compared.
    """

    name: str
    visibility: Visibility | None
    column: str | None = None
    attribute: str | None = None


EVERYONE = Audience("public", Visibility.PUBLIC)
OWNER = Audience("owner", None, "owner", "username")
CLASS = Audience("class", Visibility.CLASS, "class_key", "class_key")

AUDIENCES = (EVERYONE, OWNER, CLASS)
"""An image is visible to a caller who belongs to one of these."""

PUBLIC_COLUMNS = IMAGE_COLUMNS.replace("owner", "NULL AS owner")
"""Callers without credentials are not told the owner."""

PUBLIC_DETAIL_COLUMNS = DETAIL_COLUMNS.replace("owner", "NULL AS owner").replace(
    "purchase", "NULL AS purchase"
)
"""Nor are they told what was bought."""


def is_visible_to(audience: Audience, *, table: str = "", caller: str = ":") -> str:
    """Return the SQL condition that an audience may see a row of images.

    Args:
        audience: One of AUDIENCES.
        table: Prefix of the columns of images.
        caller: Prefix of the caller's attributes: a named parameter, or columns of a table.
    """
    conditions = []
    if audience.column is not None:
        conditions.append(f"{table}{audience.column} = {caller}{audience.attribute}")
    if audience.visibility is not None:
        conditions.append(f"{table}visibility = '{audience.visibility.value}'")
    return " AND ".join(conditions)


def is_visible_to_user(caller: str = ":") -> str:
    """Return the SQL condition that a signed-in user may see a row of images.

    Args:
        caller: As in `is_visible_to`.
    """
    conditions = [is_visible_to(each, table="images.", caller=caller) for each in AUDIENCES]
    return f"({' OR '.join(f'({condition})' for condition in conditions)})"


def name_scope(audience: Audience, member: str | None) -> str:
    """Return the scope of an audience in the index of words.

    Args:
        audience: One of AUDIENCES.
        member: The value of its column or attribute; None if it has none.
    """
    return audience.name if member is None else f"{audience.name}:{member}"
