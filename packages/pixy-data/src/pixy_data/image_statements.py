"""The SQL of images, the same text for MySQL and SQLite.

Parameters are named, never formatted in. docs/decisions/0002-keyset-listing.md has the query
plans that the lists are written for.
"""

from pixy_data.conversions import IMAGE_COLUMNS

# strangers are not told the owner
_PUBLIC_COLUMNS = IMAGE_COLUMNS.replace("owner", "NULL AS owner")

# both databases seek to the place with the first line; the rest decides among equal times
_AFTER = """
    created_at <= :created_at
    AND (created_at < :created_at OR (created_at = :created_at AND guid < :guid))
"""
_PAGE = "ORDER BY created_at DESC, guid DESC LIMIT :limit"

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
SELECT_PUBLIC = f"SELECT {_PUBLIC_COLUMNS} FROM images WHERE guid = :guid AND visibility = 'public'"
SELECT_VISIBLE = f"""
    SELECT {IMAGE_COLUMNS} FROM images
    WHERE guid = :guid AND (
        visibility = 'public'
        OR owner = :username
        OR (visibility = 'class' AND class_key = :class_key)
    )
"""
LIST_PUBLIC = f"""
    SELECT {_PUBLIC_COLUMNS} FROM images WHERE visibility = 'public' AND {_AFTER} {_PAGE}
"""
LIST_OWNED = f"""
    SELECT {IMAGE_COLUMNS} FROM images WHERE owner = :username AND {_AFTER} {_PAGE}
"""
LIST_CLASS = f"""
    SELECT {IMAGE_COLUMNS} FROM images
    WHERE class_key = :class_key AND visibility = 'class' AND {_AFTER} {_PAGE}
"""


def _branch(alias: str, condition: str) -> str:
    return f"""
        SELECT id, created_at, guid FROM (
            SELECT id, created_at, guid FROM images WHERE {condition} AND {_AFTER} {_PAGE}
        ) AS {alias}
    """


LIST_VISIBLE = f"""
    SELECT {", ".join("images." + column for column in IMAGE_COLUMNS.split(", "))}
    FROM (
        {_branch("for_all", "visibility = 'public'")}
        UNION
        {_branch("own", "owner = :username")}
        UNION
        {_branch("for_class", "class_key = :class_key AND visibility = 'class'")}
        {_PAGE}
    ) AS page
    JOIN images ON images.id = page.id
    ORDER BY page.created_at DESC, page.guid DESC
"""
UPDATE_VISIBILITY = """
    UPDATE images SET visibility = :visibility, updated_at = :updated_at
    WHERE guid = :guid AND owner = :owner
"""
DELETE = "DELETE FROM images WHERE guid = :guid AND owner = :owner"
