"""How Alembic runs the migrations: on the connection that `database.upgrade.migrate` locked."""

from alembic import context

attributes = context.config.attributes
check_lock = attributes.get("check_lock", lambda: None)
context.configure(
    connection=attributes["connection"],
    # called after each migration
    on_version_apply=lambda **_: check_lock(),
)
with context.begin_transaction():
    context.run_migrations()
