"""The SQL of creations, the same text for MySQL and SQLite.

`expires_at` is how long a pending creation belongs to the process that makes it, and how long
any other is kept. All times are the database's own.
"""

# ruff: noqa: S608 - what is formatted in are the constants of this module

COLUMNS = "guid, owner, request, status, problem, created_at, updated_at"

INSERT = """
    INSERT INTO creations (
        guid, owner, class_key, request, status, asked, idempotency_key, fingerprint,
        expires_at, created_at, updated_at
    ) VALUES (
        :guid, :owner, :class_key, :request, :status, :asked, :idempotency_key, :fingerprint,
        :expires_at, :now, :now
    )
"""
SELECT_OWN = f"SELECT {COLUMNS} FROM creations WHERE guid = :guid AND owner = :owner"
SELECT_KEYED = f"""
    SELECT {COLUMNS}, fingerprint FROM creations
    WHERE owner = :owner AND idempotency_key = :idempotency_key
"""
SELECT_STATUS = "SELECT status FROM creations WHERE guid = :guid"
LIST = f"""
    SELECT {COLUMNS} FROM creations
    WHERE owner = :owner AND status = :status
    AND created_at <= :created_at
    AND (created_at < :created_at OR (created_at = :created_at AND guid < :guid))
    ORDER BY created_at DESC, guid DESC LIMIT :limit
"""
LIST_EXPIRING = """
    SELECT guid, status, asked, expires_at FROM creations
    WHERE expires_at < :horizon ORDER BY expires_at LIMIT :limit
"""
MARK_ASKED = """
    UPDATE creations SET asked = 1, expires_at = :expires_at, updated_at = :now
    WHERE guid = :guid AND status = 'pending' AND asked = 0
"""
EXTEND = """
    UPDATE creations SET expires_at = :expires_at
    WHERE guid = :guid AND status = 'pending' AND expires_at < :expires_at
"""
FAIL = """
    UPDATE creations
    SET status = :status, problem = :problem, expires_at = :expires_at, updated_at = :now
    WHERE guid = :guid AND status IN ('pending', 'unknown')
"""
GIVE_UP = """
    UPDATE creations
    SET status = 'unknown', problem = :problem, expires_at = :expires_at, updated_at = :now
    WHERE guid = :guid AND status = 'pending' AND asked = 1
    AND expires_at = :seen AND expires_at < :now
"""
FORGET_KEYLESS = "DELETE FROM creations WHERE guid = :guid AND idempotency_key IS NULL"
MARK_READY = """
    UPDATE creations
    SET status = 'ready', problem = NULL, expires_at = :expires_at, updated_at = :now
    WHERE guid = :guid
"""
DELETE = "DELETE FROM creations WHERE guid = :guid"
DELETE_EXPIRED = """
    DELETE FROM creations
    WHERE guid = :guid AND (status <> 'pending' OR asked = 0)
    AND expires_at = :seen AND expires_at < :now
"""
