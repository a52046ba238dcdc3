"""Runs migrations on the connection that `migrate` opened."""

from alembic import context

from twin_service.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
context.run_migrations()
