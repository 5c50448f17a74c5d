"""Runs a migration on the engine that `gateway.store.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from gateway.store.tables import metadata

engine = context.config.attributes["engine"]
with engine.connect().execution_options(writes=True) as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        on_version_apply=context.config.attributes["applied"],
    )
    with context.begin_transaction():
        context.run_migrations()
