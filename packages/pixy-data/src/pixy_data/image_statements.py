"""The SQL of images, the same text for MySQL and SQLite.

Parameters are named, never formatted in. docs/decisions/0002-keyset-listing.md has the query
plans that the lists are written for.
"""

# ruff: noqa: S608 - what is formatted in are the constants of this module and column names

from pixy_data.conversions import IMAGE_COLUMNS

# strangers are not told the owner
PUBLIC_COLUMNS = IMAGE_COLUMNS.replace("owner", "NULL AS owner")

# both databases seek to the place with the first line; the rest decides among equal times
AFTER = """
    created_at <= :created_at
    AND (created_at < :created_at OR (created_at = :created_at AND guid < :guid))
"""
PAGE = "ORDER BY created_at DESC, guid DESC LIMIT :limit"


def widen(columns: str, table: str = "images") -> str:
    """Return the columns with the name of their table, for a join.

    Args:
        columns: IMAGE_COLUMNS or PUBLIC_COLUMNS, or those of another table.
        table: Its name.

    Raises:
        Nothing.
    """
    wide = ", ".join(f"{table}.{column}" for column in columns.split(", "))
    return wide.replace(f"{table}.NULL", "NULL")


def is_visible_to(username: str, class_key: str) -> str:
    """Return the condition that a user may see an image: public, own, or of the same class.

    Args:
        username: The user's, as a parameter or column.
        class_key: The same.

    Raises:
        Nothing.
    """
    return f"""(
        images.visibility = 'public'
        OR images.owner = {username}
        OR (images.visibility = 'class' AND images.class_key = {class_key})
    )"""


INSERT = """
    INSERT INTO images (
        guid, filename, prompt, created_at, updated_at, owner, class_key, visibility,
        media_type, width, height, size, sha256, generator, model
    ) VALUES (
        :guid, :filename, :prompt, :created_at, :updated_at, :owner, :class_key, :visibility,
        :media_type, :width, :height, :size, :sha256, :generator, :model
    )
"""
SELECT = f"SELECT {IMAGE_COLUMNS} FROM images WHERE guid = :guid"
SELECT_PUBLIC = f"SELECT {PUBLIC_COLUMNS} FROM images WHERE guid = :guid AND visibility = 'public'"
SELECT_VISIBLE = f"""
    SELECT {IMAGE_COLUMNS} FROM images
    WHERE guid = :guid AND {is_visible_to(":username", ":class_key")}
"""


def _list(columns: str, condition: str, index: str) -> str:
    # where a plan fetches whole rows, MariaDB prefers to walk an index from its end to the page's
    # place; MySQL and MariaDB execute such a comment, and to SQLite it is one
    return f"""
        SELECT {columns} FROM images /*! FORCE INDEX ({index}) */
        WHERE {condition} AND {AFTER} {PAGE}
    """


_FOR_ALL = "visibility = 'public'"
_OWN = "owner = :username"
_FOR_CLASS = "class_key = :class_key AND visibility = 'class'"

LIST_PUBLIC = _list(PUBLIC_COLUMNS, _FOR_ALL, "ix_images_visibility")
LIST_OWNED = _list(IMAGE_COLUMNS, _OWN, "ix_images_owner")
LIST_CLASS = _list(IMAGE_COLUMNS, _FOR_CLASS, "ix_images_class")


def _narrow(condition: str) -> str:
    # read from an index alone; SQLite takes no parentheses around a part of a union
    page = f"SELECT id, created_at, guid FROM images WHERE {condition} AND {AFTER} {PAGE}"
    return f"SELECT id, created_at, guid FROM ({page}) AS part"


# which rows make the page, then the rows
LIST_VISIBLE = f"""
    SELECT {widen(IMAGE_COLUMNS)}
    FROM (
        {_narrow(_FOR_ALL)} UNION {_narrow(_OWN)} UNION {_narrow(_FOR_CLASS)} {PAGE}
    ) AS page JOIN images ON images.id = page.id
    ORDER BY page.created_at DESC, page.guid DESC
"""
UPDATE_VISIBILITY = """
    UPDATE images SET visibility = :visibility, updated_at = :updated_at
    WHERE guid = :guid AND owner = :owner
"""
DELETE = "DELETE FROM images WHERE guid = :guid AND owner = :owner"
