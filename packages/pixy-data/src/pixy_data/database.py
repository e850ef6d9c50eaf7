"""The database handle: what runs a statement, in a transaction of its thread or by itself.

SQL stands with the repositories, transactions in `transactions`, driver connections in
`connections`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import DBConnectionError, RecordNotFoundError
from pixy_data.connections import ConnectionPool, WrongAnswerError
from pixy_data.engine import describe_url, parse_url
from pixy_data.errors import ConnectionLostError
from pixy_data.transactions import ThreadBound, run_transaction

T = TypeVar("T")

Row = tuple[Any, ...]
"""One row, its values in the order of the SELECT."""

_SELECT_TIME = "SELECT UTC_TIMESTAMP(6)"
_SELECT_TIME_SQLITE = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
_SELECT_VALUE = "SELECT value FROM secrets WHERE name = :name"


class Result(NamedTuple):
    """What a write did: rows that matched, and the number given to a new row."""

    rowcount: int
    last_id: int | None


class Database:
    """A database, reached through a pool of connections.

    Statements fail with DBConnectionError until `initialise_database` has succeeded once, so a
    service can start while its database is down.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        pool_size: Connections; as many as there are threads and calls on a loop that use them.
        checkout_timeout: Seconds to wait for a free connection.
        connect_timeout: Seconds to wait for a server; MySQL only.
        read_timeout: Seconds that a server may be silent; MySQL only.

    Raises:
        ConfigurationError: The URL can't be used, or its driver isn't installed.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        checkout_timeout: float = 2.0,
        connect_timeout: int = 3,
        read_timeout: int = 10,
    ) -> None:
        self.url = parse_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.initialised = False
        self.pool = ConnectionPool(
            self.url,
            pool_size=pool_size,
            checkout_timeout=checkout_timeout,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )
        self.bound = ThreadBound()
        self._secrets: dict[str, bytes] = {}

    def fetch_one(
        self,
        sql: str,
        parameters: Mapping[str, object],
        is_answer: Callable[[Row], bool] | None = None,
    ) -> Row | None:
        """Run a query for at most one row.

        Inside a transaction of this thread it belongs to it; else it is one round trip.

        Args:
            sql: A constant with `:name` parameters.
            parameters: A value for each name.
            is_answer: Says whether a row can be the answer. If not, the connection is out of
                step: it is closed, and the query runs on another one.

        Returns:
            The first row, or None.

        Raises:
            PixyProxyException: The statement failed, see `errors`.
        """
        take = _take_one if is_answer is None else partial(_take_checked, is_answer)
        return self._read(sql, parameters, take)

    def fetch_all(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        """Run a query for all of its rows; otherwise as `fetch_one`.

        Args:
            sql: A constant with `:name` parameters.
            parameters: A value for each name.

        Returns:
            The rows in the query's order.

        Raises:
            PixyProxyException: The statement failed, see `errors`.
        """
        return self._read(sql, parameters, _take_all)

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Result:
        """Run a statement that writes.

        Inside a transaction of this thread it belongs to it; else it is a transaction of its own.

        Args:
            sql: A constant with `:name` parameters.
            parameters: A value for each name.

        Returns:
            The number of rows that matched, and the id of a row that was inserted.

        Raises:
            PixyProxyException: The statement failed, see `errors`.
        """
        context = self.bound.context
        if context is None or not context.begun:
            return run_transaction(self, lambda: self.execute(sql, parameters))
        return context.run(sql, parameters, _take_result)

    def ping(self) -> None:
        """Ask the server for an answer.

        Raises:
            DBConnectionError: There is none.
            DatabaseBusyError: No connection became free in time.
        """
        self._read("SELECT 1", {}, _take_one)

    def find_writer(self) -> None:
        """Make sure that connections lead to the server that takes writes, not to a replica.

        A process that only reads would not notice a failover otherwise. SQLite has none.

        Raises:
            DatabaseBusyError: There is no such server at the moment.
            DBConnectionError: The database can't be reached.
        """
        if not self.sqlite:
            run_transaction(self, lambda: None)

    def now(self) -> datetime:
        """Return the time by the database's clock, which every process on it shares.

        Raises:
            DBConnectionError: It doesn't tell.
            DatabaseBusyError: No connection became free in time.
        """
        row = self._read(_SELECT_TIME_SQLITE if self.sqlite else _SELECT_TIME, {}, _take_one)
        if row is None:
            raise DBConnectionError
        return datetime.fromisoformat(f"{row[0]}Z")

    def secret(self, name: str) -> bytes:
        """Return a secret that every process on this database shares.

        Args:
            name: Which one: `cursor` for signing cursors, `sign_in` for hiding who failed to.

        Returns:
            32 random bytes, always the same.

        Raises:
            RecordNotFoundError: There is none of that name.
            DBConnectionError: The database can't be reached.
        """
        if name not in self._secrets:
            row = self.fetch_one(_SELECT_VALUE, {"name": name})
            if row is None:
                raise RecordNotFoundError
            self._secrets[name] = bytes.fromhex(row[0])
        return self._secrets[name]

    def fetch_at_start(self, sql: str) -> Row | None:
        """Run a query without parameters for one row, before the database is initialised.

        Args:
            sql: A constant.

        Returns:
            The first row, or None.

        Raises:
            PixyProxyException: The statement failed, see `errors`.
        """
        return self._read_twice(sql, {}, _take_one)

    def not_ready(self) -> DBConnectionError:
        """Return the error for a database that has not been initialised yet."""
        error = DBConnectionError()
        error.reason = f"{describe_url(self.url)}: not ready since the start"
        return error

    def close(self) -> None:
        """Close every connection; statements fail from now on.

        Raises:
            Nothing.
        """
        self.initialised = False
        self.pool.close()

    def _read(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        context = self.bound.context
        if context is not None and context.begun:
            return context.run(sql, parameters, take)
        if not self.initialised:
            raise self.not_ready()
        return self._read_twice(sql, parameters, take)

    def _read_twice(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        try:
            return self._read_once(sql, parameters, take)
        except ConnectionLostError:
            return self._read_once(sql, parameters, take)

    def _read_once(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        connection = self.pool.acquire()
        try:
            return self.pool.run(connection, sql, parameters, take)
        finally:
            self.pool.release(connection)


def _take_one(cursor: DBAPICursor) -> Row | None:
    return cursor.fetchone()


def _take_checked(is_answer: Callable[[Row], bool], cursor: DBAPICursor) -> Row | None:
    row = cursor.fetchone()
    try:
        is_right = row is None or is_answer(row)
    except (AttributeError, IndexError, TypeError) as error:  # a row of another query
        raise WrongAnswerError from error
    if not is_right:
        raise WrongAnswerError
    return row


def _take_all(cursor: DBAPICursor) -> list[Row]:
    return list(cursor.fetchall())


def _take_result(cursor: DBAPICursor) -> Result:
    return Result(cursor.rowcount, cursor.lastrowid)
