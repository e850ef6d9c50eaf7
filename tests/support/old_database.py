"""A database with the tables of an older revision."""

from alembic import command
from alembic.config import Config

from many_images import open_connection
from pixy_data import Database, open_database


def open_old_database(url: str, revision: str) -> Database:
    """Return an empty database whose tables are those of a revision."""
    database = Database(url)
    if database.sqlite:
        # its folder and file are made, as at every start, and it stays empty
        open_database(url).close()
        _drop_everything(database)
    with open_connection(database) as connection:
        if database.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = Config()
        config.set_main_option("script_location", "pixy_data:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    database.initialised = True
    return database


def _drop_everything(database: Database) -> None:
    with open_connection(database) as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        for (name,) in names.fetchall():
            connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.commit()
