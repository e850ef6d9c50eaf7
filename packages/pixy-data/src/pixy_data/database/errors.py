"""Driver errors: what each code means, and which of PixyProxy's exceptions it becomes.

No other module reads an error code. Messages never contain SQL or values. Operators read
`reason`; the driver's own error is the `__cause__`.
"""

from typing import Any, NamedTuple

import sqlalchemy.exc

from pixy_core import (
    ConstraintViolationError,
    DatabaseBusyError,
    DatabaseError,
    DBConnectionError,
    PixyProxyException,
)


class ConnectionLostError(DBConnectionError):
    """The connection was dead or died; another one may work."""


class ServerRefusalError(DBConnectionError):
    """The database refuses until an operator changes something."""


class AccountRefusedError(ServerRefusalError):
    """The server refuses the user, the password, the database name or the kind of connection."""


class PrivilegeMissingError(ServerRefusalError):
    """The user may connect, but not run this statement."""


class ReadOnlyServerError(DatabaseBusyError):
    """The server takes no writes; after a failover a new connection reaches one that does."""


class TransactionConflictError(DatabaseBusyError):
    """Deadlock or lock timeout: after a rollback the transaction may succeed if run again."""


class Code(NamedTuple):
    """What an error code means to an operator, and the exception that it becomes."""

    meaning: str
    kind: type[PixyProxyException]


# MySQL: https://dev.mysql.com/doc/mysql-errors/9.7/en/ ; MariaDB: its knowledge base;
# TiDB, which is not tested: https://docs.pingcap.com/tidb/stable/error-codes
MYSQL_CODES: dict[int, Code] = {
    1020: Code("the row changed since the snapshot (MariaDB)", TransactionConflictError),
    1021: Code("the server's disk is full", DatabaseBusyError),
    1030: Code("the storage engine failed", DatabaseBusyError),
    1037: Code("the server is out of memory", DatabaseBusyError),
    1038: Code("the server is out of memory for sorting", DatabaseBusyError),
    1040: Code("the server has too many connections", DatabaseBusyError),
    1041: Code("the server is out of memory", DatabaseBusyError),
    1044: Code("the user may not use this database", AccountRefusedError),
    1045: Code("the user or the password is wrong", AccountRefusedError),
    1047: Code("the node is not a working part of its cluster", ConnectionLostError),
    1049: Code("there is no such database", AccountRefusedError),
    1053: Code("the server is shutting down", ConnectionLostError),
    1095: Code("the user lacks a privilege", PrivilegeMissingError),
    1102: Code("the database's name is not a legal one", AccountRefusedError),
    1105: Code("the server or a proxy in front of it failed", DBConnectionError),
    1114: Code("a table or the server's disk is full", DatabaseBusyError),
    1129: Code("this host is blocked after too many failures", DBConnectionError),
    1130: Code("this host may not connect", DBConnectionError),
    1135: Code("the server can't start another thread", DatabaseBusyError),
    1142: Code("the user lacks a privilege", PrivilegeMissingError),
    1143: Code("the user lacks a privilege on a column", PrivilegeMissingError),
    1152: Code("the server aborted the connection", ConnectionLostError),
    1153: Code("a statement is larger than max_allowed_packet", DBConnectionError),
    1158: Code("the server could not read from the connection", ConnectionLostError),
    1159: Code("the server waited too long for a packet", ConnectionLostError),
    1160: Code("the server could not write to the connection", ConnectionLostError),
    1161: Code("the server waited too long to write a packet", ConnectionLostError),
    1180: Code("the server could not commit", DBConnectionError),
    1203: Code("the user has too many connections", DatabaseBusyError),
    1205: Code("waited too long for a lock", TransactionConflictError),
    1206: Code("the server has no room for more locks", DatabaseBusyError),
    1213: Code("deadlock", TransactionConflictError),
    1226: Code("the user has used up a limit of the server", DatabaseBusyError),
    1227: Code("the user lacks a privilege", PrivilegeMissingError),
    1235: Code("the server does not support a statement that is needed", ServerRefusalError),
    1251: Code("the client library does not know the user's authentication", AccountRefusedError),
    1290: Code("the server is read-only", ReadOnlyServerError),
    1317: Code("the statement was interrupted", DatabaseBusyError),
    1370: Code("the user lacks a privilege on a routine", PrivilegeMissingError),
    1406: Code("a value is too long", ConstraintViolationError),
    1637: Code("the server has too many transactions", DatabaseBusyError),
    1698: Code("the user can't sign in with a password", AccountRefusedError),
    1792: Code("transactions are read-only", ReadOnlyServerError),
    1820: Code("the user's password must be changed", AccountRefusedError),
    1836: Code("the server is in read-only mode", ReadOnlyServerError),
    1862: Code("the user's password has expired", AccountRefusedError),
    1927: Code("the connection was killed (MariaDB)", ConnectionLostError),
    1969: Code("the statement took too long (MariaDB)", DatabaseBusyError),
    2002: Code("no connection to the server", DBConnectionError),
    2003: Code("no connection to the server", DBConnectionError),
    2005: Code("the host is unknown", DBConnectionError),
    2006: Code("the server has gone away", ConnectionLostError),
    2012: Code("the handshake failed", DBConnectionError),
    2013: Code("the connection was lost", ConnectionLostError),
    2014: Code("commands out of order", ConnectionLostError),
    # with OpenSSL 3 also the end of a connection over TLS
    2026: Code("TLS failed", ConnectionLostError),
    2027: Code("malformed packet", ConnectionLostError),
    2054: Code("the client library does not know the user's authentication", DBConnectionError),
    2055: Code("the connection was lost", ConnectionLostError),
    2059: Code("the client library lacks a plugin for authentication", AccountRefusedError),
    3024: Code("the statement took too long", DatabaseBusyError),
    3032: Code("the server is in offline mode", DBConnectionError),
    3100: Code("the cluster could not replicate the transaction", DBConnectionError),
    3101: Code("the cluster rolled the transaction back", TransactionConflictError),
    3118: Code("the user's account is locked", AccountRefusedError),
    3159: Code("the server takes no connection without TLS", AccountRefusedError),
    3169: Code("the session was killed", ConnectionLostError),
    3819: Code("a value breaks a CHECK", ConstraintViolationError),
    4025: Code("a value breaks a CHECK (MariaDB)", ConstraintViolationError),
    4031: Code("the server closed the connection for inactivity", ConnectionLostError),
    4151: Code("the user's account is locked (MariaDB)", AccountRefusedError),
    8002: Code("conflict with another transaction (TiDB)", TransactionConflictError),
    8022: Code("the commit was rolled back (TiDB)", TransactionConflictError),
    8028: Code("the tables changed meanwhile (TiDB)", TransactionConflictError),
    8147: Code("the transaction was aborted (TiDB)", TransactionConflictError),
    9001: Code("the placement driver does not answer (TiDB)", DatabaseBusyError),
    9002: Code("the storage does not answer (TiDB)", DatabaseBusyError),
    9003: Code("the storage is busy (TiDB)", DatabaseBusyError),
    9004: Code("waited too long for a lock (TiDB)", TransactionConflictError),
    9005: Code("a region is unavailable (TiDB)", DatabaseBusyError),
    9007: Code("conflict with another transaction (TiDB)", TransactionConflictError),
}
"""Codes of MySQL, MariaDB and their client libraries; any other code is a DatabaseError."""

# https://www.sqlite.org/rescode.html: an extended code has its primary code in its last byte
SQLITE_CODES: dict[int, Code] = {
    3: Code("no permission", DBConnectionError),
    4: Code("the statement was aborted by a rollback", TransactionConflictError),
    5: Code("another connection has the lock", TransactionConflictError),
    6: Code("another statement has the lock", TransactionConflictError),
    7: Code("out of memory", DatabaseBusyError),
    8: Code("the file or its folder is read-only", ReadOnlyServerError),
    9: Code("the statement was interrupted", DatabaseBusyError),
    # a connection keeps the descriptors of a file system that was mounted again
    10: Code("the disk failed", ConnectionLostError),
    11: Code("the file is damaged: restore it from a backup", ServerRefusalError),
    13: Code("the disk is full", DatabaseBusyError),
    14: Code("the file can't be opened", DBConnectionError),
    15: Code("the lock could not be had", TransactionConflictError),
    17: Code("the tables changed meanwhile", TransactionConflictError),
    18: Code("a value is too long", ConstraintViolationError),
    19: Code("a value breaks a constraint", ConstraintViolationError),
    20: Code("a value has the wrong type", ConstraintViolationError),
    22: Code("the file is too large for its file system", DatabaseBusyError),
    23: Code("no permission", DBConnectionError),
    24: Code("the file has another format: restore it from a backup", ServerRefusalError),
    26: Code("the file is no SQLite database", ServerRefusalError),
}
"""SQLite's primary codes; any other code is a DatabaseError."""

_CLIENT_CODES = range(2000, 3000)
_BROKEN = Code("the client library failed", DBConnectionError)
# on a connection that it has closed, mysqlclient raises InterfaceError(0, "") or code -1
_CLOSED = Code("the connection is closed", ConnectionLostError)
_UNKNOWN = Code("see its documentation", DatabaseError)
_LONGEST_TEXT = 300


def translate_error(error: Exception, driver: Any, where: str = "") -> PixyProxyException:
    """Return the exception for a driver's error; the caller raises it `from` the original.

    Args:
        error: What connecting or a statement raised, perhaps wrapped by SQLAlchemy.
        driver: The DB-API module (PEP 249) that made the connection.
        where: From `describe_url`, for the reason.
    """
    if isinstance(error, sqlalchemy.exc.DBAPIError) and isinstance(error.orig, Exception):
        error = error.orig
    # a lone surrogate cannot be encoded; an integer may be too large for the driver
    refused = (UnicodeEncodeError, OverflowError, driver.IntegrityError, driver.DataError)
    if isinstance(error, refused):
        return ConstraintViolationError()
    if not isinstance(error, driver.Error):
        return DatabaseError()
    sqlite_code: Any = getattr(error, "sqlite_errorcode", None)
    if isinstance(sqlite_code, int):
        kind, reason = _read_sqlite(error, sqlite_code)
    else:
        kind, reason = _read_mysql(error)
    translated = kind()
    translated.reason = f"{where}: {reason}" if where else reason
    return translated


def _read_sqlite(error: Exception, number: int) -> tuple[type[PixyProxyException], str]:
    code = SQLITE_CODES.get(number & 0xFF, _UNKNOWN)
    name = getattr(error, "sqlite_errorname", number)
    return code.kind, f"{name}, {code.meaning}"


def _read_mysql(error: Exception) -> tuple[type[PixyProxyException], str]:
    number = error.args[0] if error.args else None
    if not isinstance(number, int) or number < 1000:
        return _CLOSED.kind, _CLOSED.meaning
    default = _BROKEN if number in _CLIENT_CODES else _UNKNOWN
    code = MYSQL_CODES.get(number, default)
    reason = f"error {number}, {code.meaning}"
    # these texts name hosts, users, privileges and tables; others may contain values or SQL
    if number in _CLIENT_CODES or issubclass(code.kind, ServerRefusalError):
        text = str(error.args[1]) if len(error.args) > 1 else ""
        reason += f" ({text[:_LONGEST_TEXT]})" if text else ""
    return code.kind, reason
