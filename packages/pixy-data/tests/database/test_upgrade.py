"""The migrations and the code agree on the tables' version."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from pixy_data.database.schema import SCHEMA_REVISION


def test_the_code_expects_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "pixy_data:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]
