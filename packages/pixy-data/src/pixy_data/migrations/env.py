"""How Alembic runs the migrations: on the connection that `schema.migrate` locked."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
