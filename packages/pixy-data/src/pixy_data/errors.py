"""What a driver raises, told apart once: driver errors become PixyProxy's own here.

No other module reads an error code. Messages never hold SQL or values; the driver's own error
stays reachable as `__cause__`.
"""

from typing import Any

import sqlalchemy.exc

from pixy_core import (
    ConfigurationError,
    ConstraintViolationError,
    DatabaseBusyError,
    DatabaseError,
    DBConnectionError,
    PixyProxyException,
)


class ConnectionLostError(DBConnectionError):
    """The connection was dead before or while it was used; another one may work."""


class TransactionConflictError(DatabaseBusyError):
    """Deadlock or lock wait: the whole transaction, rolled back, may succeed if run again."""


# MySQL: https://dev.mysql.com/doc/mysql-errors/9.7/en/ ; MariaDB: error codes in its knowledge base
_MYSQL_LOST = frozenset(
    {
        1053,  # server shutdown in progress
        1152,  # aborted connection
        1158,  # reading or writing communication packets: 1158 to 1161
        1159,
        1160,
        1161,
        1927,  # MariaDB: connection was killed
        2006,  # server has gone away
        2013,  # lost connection during query
        2014,  # commands out of sync
        2026,  # TLS failed: with OpenSSL 3 also what a connection's end looks like over TLS
        2055,  # lost connection, with the system's error number
        3169,  # session was killed
        4031,  # disconnected by the server for inactivity
    }
)
_MYSQL_UNREACHABLE = frozenset(
    {
        1044,  # access denied to the database
        1045,  # access denied for the user
        1049,  # unknown database
        1129,  # host is blocked
        1130,  # host is not allowed
        1251,  # authentication protocol not supported
        1698,  # access denied, no password allowed
        2002,  # can't connect: 2002, 2003
        2003,
        2005,  # unknown host
        2012,  # handshake failed
        2054,  # authentication method unknown
        2059,  # authentication plugin can't be loaded
        3159,  # the server takes no connection without TLS
    }
)
MYSQL_REFUSED = frozenset({1044, 1045, 1049, 1251, 1698, 2059, 3159})
"""Codes of a server that answers and will refuse the same settings forever."""
_MYSQL_CONFLICT = frozenset(
    {
        1020,  # MariaDB with innodb_snapshot_isolation: row changed since the snapshot
        1205,  # lock wait timeout
        1213,  # deadlock
    }
)
_MYSQL_BUSY = frozenset(
    {
        1021,  # disk full
        1040,  # too many connections
        1114,  # table full
        1203,  # too many connections of this user
        1226,  # resource limit of this user
        1290,  # read-only server
        1792,  # read-only transaction
        1836,  # read-only mode
        1969,  # MariaDB: statement time exceeded
        3024,  # MySQL: statement time exceeded
    }
)
_MYSQL_CONSTRAINT = frozenset({1406, 3819, 4025})  # data too long; CHECK in MySQL; in MariaDB
# https://www.sqlite.org/rescode.html, primary codes
_SQLITE_CONFLICT = frozenset({5, 6})  # BUSY, LOCKED
_SQLITE_BUSY = frozenset({8, 13})  # READONLY, FULL
_SQLITE_UNREACHABLE = frozenset({3, 10, 14})  # PERM, IOERR, CANTOPEN
_SQLITE_NO_DATABASE = 26
_SQLITE_CONSTRAINT = frozenset({18, 19, 20})  # TOOBIG, CONSTRAINT, MISMATCH

_MYSQL_KINDS: tuple[tuple[frozenset[int], type[PixyProxyException]], ...] = (
    (_MYSQL_LOST, ConnectionLostError),
    (_MYSQL_UNREACHABLE, DBConnectionError),
    (_MYSQL_CONFLICT, TransactionConflictError),
    (_MYSQL_BUSY, DatabaseBusyError),
    (_MYSQL_CONSTRAINT, ConstraintViolationError),
)
_SQLITE_KINDS: tuple[tuple[frozenset[int], type[PixyProxyException]], ...] = (
    (_SQLITE_CONFLICT, TransactionConflictError),
    (_SQLITE_BUSY, DatabaseBusyError),
    (_SQLITE_UNREACHABLE, DBConnectionError),
    (_SQLITE_CONSTRAINT, ConstraintViolationError),
)


def find_mysql_code(error: BaseException | None) -> int | None:
    """Return the number that MySQL or its client library gave an error.

    Args:
        error: A driver's error; anything else has no number.

    Returns:
        A server error (1000 and above) or client error (2000 to 2999), or None.

    Raises:
        Nothing.
    """
    code = error.args[0] if error is not None and error.args else None
    return code if isinstance(code, int) else None


def translate_error(error: Exception, driver: Any) -> PixyProxyException:
    """Name a driver's failure as one of PixyProxy's; the caller raises it `from` the original.

    Args:
        error: Whatever connecting or a statement raised, SQLAlchemy's wrapping included.
        driver: The DB-API module (PEP 249) that made the connection.

    Returns:
        A new exception, not raised.

    Raises:
        Nothing.
    """
    if isinstance(error, sqlalchemy.exc.DBAPIError) and isinstance(error.orig, Exception):
        error = error.orig
    # a lone surrogate has no UTF-8 form; an integer may be too large for the driver
    refused = (UnicodeEncodeError, OverflowError, driver.IntegrityError, driver.DataError)
    if isinstance(error, refused):
        return ConstraintViolationError()
    if not isinstance(error, driver.Error):
        return DatabaseError()
    sqlite_code: Any = getattr(error, "sqlite_errorcode", None)
    if isinstance(sqlite_code, int):
        return _translate_sqlite(sqlite_code & 0xFF)
    return _translate_mysql(find_mysql_code(error))


def _translate_sqlite(code: int) -> PixyProxyException:
    if code == _SQLITE_NO_DATABASE:
        return ConfigurationError("The file that the database URL names is no SQLite database")
    return next((kind() for codes, kind in _SQLITE_KINDS if code in codes), DatabaseError())


def _translate_mysql(code: int | None) -> PixyProxyException:
    # mysqlclient raises InterfaceError(0, "") on a connection that it has closed itself
    if code is None or code == 0:
        return ConnectionLostError()
    return next((kind() for codes, kind in _MYSQL_KINDS if code in codes), DatabaseError())
